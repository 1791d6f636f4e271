#include "daemon/app/trimmer.h"

#include <utility>

namespace bk::app {

Trimmer::Trimmer(std::chrono::milliseconds rest, std::function<void()> trim) : rest_(rest), trim_(std::move(trim)), thread_([this] { Loop(); }) {}

Trimmer::~Trimmer() {
  state_.Change([](State& s) { s.stop = true; });
  thread_.join();
}

void Trimmer::Wake() {
  state_.Change([](State& s) { s.woken = true; });
}

void Trimmer::Loop() {
  auto wanted = [](State& s) { return s.woken || s.stop; };
  while (true) {
    bool stop = state_.WaitThen(wanted, [](State& s) {
      s.woken = false;
      return s.stop;
    });
    if (stop) return;
    if (!state_.WaitFor(rest_, wanted)) trim_();
  }
}

}  // namespace bk::app
