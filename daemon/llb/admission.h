// Who begins first when many builds come at once (admission control).
//
// Builds that all work at the same time share the processors: each takes as long as all of them together, and some are
// unlucky. Here only a few young builds work, and the others begin in the order in which they came. A build is young until
// it ends or its time is over: a long one holds nobody up, one that waits for somebody else stops nobody, a lone one never
// waits. Thread-safe.
#pragma once

#include <chrono>
#include <deque>
#include <list>
#include <memory>
#include <utility>
#include <vector>

#include "base/cancel.h"
#include "base/guarded.h"

namespace bk::llb {

class Admission {
 public:
  using Time = std::chrono::steady_clock::time_point;

  // `most` builds are young at a time, each for `young` at most.
  Admission(size_t most, std::chrono::milliseconds young) : most_(most), young_(young) {}

  // A build that may work. It makes room for another one when it is destroyed.
  class Place {
   public:
    Place(Place&& other) noexcept : admission_(std::exchange(other.admission_, nullptr)), number_(other.number_) {}
    Place& operator=(Place&&) = delete;
    ~Place() {
      if (admission_ != nullptr) admission_->Leave(number_);
    }

   private:
    friend class Admission;
    Place(Admission* admission, uint64_t number) : admission_(admission), number_(number) {}
    Admission* admission_;
    uint64_t number_;
  };
  // Blocks until it is this build's turn; at once when `cancel` is cancelled.
  Place Enter(const CancelToken& cancel);
  // Builds whose turn it is not yet.
  size_t waiting() const {
    return state_.With([](const State& s) { return s.waiting.size(); });
  }

 private:
  enum class Turn { kLater, kNext, kNow };
  struct Waiter {
    uint64_t number;
    Guarded<Turn> turn;
  };
  struct Young {
    uint64_t number;
    Time until;
  };
  struct State {
    uint64_t last = 0;
    std::list<Young> young;  // oldest first
    std::deque<std::shared_ptr<Waiter>> waiting;
  };
  using Called = std::vector<std::pair<std::shared_ptr<Waiter>, Turn>>;

  // Lets in who may come; who is told what.
  Called Advance(State& state) const;
  static void Tell(const Called& called);
  void Leave(uint64_t number);

  const size_t most_;
  const std::chrono::milliseconds young_;
  Guarded<State> state_;
};

}  // namespace bk::llb
