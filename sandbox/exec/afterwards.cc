#include "sandbox/exec/afterwards.h"

#include <utility>

namespace bk::exec {

Afterwards::Afterwards(Limits limits) : limits_(limits), worker_([this] { Work(); }) {}

Afterwards::~Afterwards() {
  state_.Change([](State& state) { state.ending = true; });
  worker_.join();
}

Afterwards::Step::Step(Afterwards& of) : of_(of) {
  of_.state_.Change([](State& state) {
    state.steps++;
    state.begun++;
  });
}

Afterwards::Step::~Step() {
  of_.state_.Change([](State& state) { state.steps--; });
}

void Afterwards::Add(std::function<void()> task) {
  bool taken = state_.Change([&](State& state) {
    if (state.tasks.size() >= 2 * limits_.most) return false;
    state.tasks.push_back(std::move(task));
    return true;
  });
  if (!taken) task();
}

void Afterwards::Work() {
  uint64_t quiet_since = 0;  // no step has begun since this one, and the pause was kept
  for (;;) {
    uint64_t begun = 0;
    bool done = state_.WaitThen([&](const State& state) { return state.ending || (!state.tasks.empty() && (state.steps == 0 || Pressing(state))); },
                                [&](const State& state) {
                                  begun = state.begun;
                                  return state.ending && state.tasks.empty();
                                });
    if (done) return;
    if (begun != quiet_since) {
      state_.WaitFor(limits_.quiet, [&](const State& state) { return state.begun != begun || Pressing(state); });
    }
    std::function<void()> task = state_.With([&](State& state) {
      bool quiet = state.steps == 0 && state.begun == begun;
      if (quiet) quiet_since = begun;
      if (!quiet && !Pressing(state)) return std::function<void()>();
      auto next = std::move(state.tasks.front());
      state.tasks.pop_front();
      return next;
    });
    if (task) task();
  }
}

}  // namespace bk::exec
