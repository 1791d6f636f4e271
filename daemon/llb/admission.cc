#include "daemon/llb/admission.h"

#include <algorithm>

namespace bk::llb {
namespace {

using Clock = std::chrono::steady_clock;

}  // namespace

Admission::Called Admission::Advance(State& state) const {
  const Time now = Clock::now();
  Called called;
  std::erase_if(state.young, [&](const Young& young) { return young.until <= now; });
  while (!state.waiting.empty() && state.young.size() < most_) {
    called.emplace_back(std::move(state.waiting.front()), Turn::kNow);
    state.waiting.pop_front();
    state.young.push_back({called.back().first->number, now + young_});
  }
  // The first of the queue watches the clock for all.
  if (!state.waiting.empty()) called.emplace_back(state.waiting.front(), Turn::kNext);
  return called;
}

void Admission::Tell(const Called& called) {
  for (const auto& [waiter, turn] : called) {
    waiter->turn.Change([&](Turn& t) {
      if (t != Turn::kNow) t = turn;
    });
  }
}

Admission::Place Admission::Enter(const CancelToken& cancel) {
  auto me = std::make_shared<Waiter>();
  Tell(state_.With([&](State& s) {
    me->number = ++s.last;
    s.waiting.push_back(me);
    return Advance(s);
  }));
  CancelCallback wake(cancel, [&] { me->turn.Change([](Turn&) {}); });
  while (true) {
    me->turn.Wait([&](Turn turn) { return turn != Turn::kLater || cancel.cancelled(); });
    if (me->turn.With([](Turn turn) { return turn == Turn::kNow; })) break;
    if (cancel.cancelled()) {
      Tell(state_.With([&](State& s) {
        std::erase(s.waiting, me);
        return Advance(s);
      }));
      break;
    }
    // The first of the queue: until somebody leaves, or is young no more.
    Time until = state_.With([](State& s) { return s.young.empty() ? Time() : s.young.front().until; });
    auto left = std::max(std::chrono::ceil<std::chrono::milliseconds>(until - Clock::now()), std::chrono::milliseconds(0));
    if (!me->turn.WaitFor(left, [&](Turn turn) { return turn == Turn::kNow || cancel.cancelled(); })) Tell(state_.With([&](State& s) { return Advance(s); }));
  }
  return Place(this, me->number);
}

void Admission::Leave(uint64_t number) {
  Tell(state_.With([&](State& s) {
    std::erase_if(s.young, [&](const Young& young) { return young.number == number; });
    return Advance(s);
  }));
}

}  // namespace bk::llb
