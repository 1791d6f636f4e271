// Data that can only be reached under its lock.
//
//   Guarded<State> state_;
//   state_.With([&](State& s) { s.count++; });
//   state_.Wait([](State& s) { return s.done; });        // blocks until the predicate holds
//
// Never run I/O or a callback that may take another lock inside With (docs/threading.md has the order).
#pragma once

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <utility>

namespace bk {

template <typename T>
class Guarded {
 public:
  Guarded() = default;
  explicit Guarded(T value) : value_(std::move(value)) {}
  Guarded(const Guarded&) = delete;
  Guarded& operator=(const Guarded&) = delete;

  template <typename F>
  auto With(F&& f) {
    std::lock_guard lock(mutex_);
    return f(value_);
  }
  template <typename F>
  auto With(F&& f) const {
    std::lock_guard lock(mutex_);
    return f(static_cast<const T&>(value_));
  }
  // As With, then wakes all waiters.
  template <typename F>
  auto Change(F&& f) {
    std::lock_guard lock(mutex_);
    // Woken under the lock: a waiter may destroy this object as soon as it sees the change.
    struct Wake {
      std::condition_variable& changed;
      ~Wake() { changed.notify_all(); }
    } wake{changed_};
    return f(value_);
  }
  // Blocks until `ready(value)`, then runs `f(value)` under the same lock.
  template <typename Ready, typename F>
  auto WaitThen(Ready&& ready, F&& f) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return ready(value_); });
    return f(value_);
  }
  template <typename Ready>
  void Wait(Ready&& ready) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return ready(value_); });
  }
  // False when `timeout` passed first.
  template <typename Ready>
  bool WaitFor(std::chrono::milliseconds timeout, Ready&& ready) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, timeout, [&] { return ready(value_); });
  }
  void NotifyAll() { changed_.notify_all(); }

 private:
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  T value_{};
};

}  // namespace bk
