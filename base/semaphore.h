// A counting semaphore whose wait can be cancelled; a Permit gives its share back at scope exit.
#pragma once

#include <deque>
#include <memory>

#include "base/cancel.h"
#include "base/guarded.h"

namespace bk {

class Semaphore;

class Permit {
 public:
  Permit() = default;  // holds nothing
  Permit(Permit&& other) noexcept : owner_(std::exchange(other.owner_, nullptr)) {}
  Permit& operator=(Permit&& other) noexcept {
    Release();
    owner_ = std::exchange(other.owner_, nullptr);
    return *this;
  }
  ~Permit() { Release(); }
  void Release();

 private:
  friend class Semaphore;
  explicit Permit(Semaphore* owner) : owner_(owner) {}
  Semaphore* owner_ = nullptr;
};

// Must outlive its permits.
class Semaphore {
 public:
  explicit Semaphore(int64_t count) { state_.With([&](int64_t& free) { free = count; }); }

  absl::StatusOr<Permit> Acquire(const CancelToken& cancel) {
    CancelCallback wake(cancel, [this] { state_.Change([](int64_t&) {}); });
    bool taken = state_.WaitThen([&](int64_t& free) { return free > 0 || cancel.cancelled(); },
                                 [&](int64_t& free) { return free > 0 && !cancel.cancelled() ? (free--, true) : false; });
    if (!taken) return cancel.Check();
    return Permit(this);
  }

 private:
  friend class Permit;
  void Give() {
    state_.Change([](int64_t& free) { free++; });
  }
  Guarded<int64_t> state_;
};

inline void Permit::Release() {
  if (auto* owner = std::exchange(owner_, nullptr)) owner->Give();
}

}  // namespace bk
