// Threads that run one task each and are waited for: the house's way to block on behalf of a request.
//
// Parallelism is never limited here (a task may wait for another one); use a Semaphore for that. Thread-safe.
#pragma once

#include <functional>
#include <list>
#include <thread>
#include <utility>

#include "base/guarded.h"

namespace bk {

class TaskGroup {
 public:
  TaskGroup() = default;
  TaskGroup(const TaskGroup&) = delete;
  TaskGroup& operator=(const TaskGroup&) = delete;
  // Waits for all tasks.
  ~TaskGroup() { Wait(); }

  // Throws std::system_error where the system gives no thread; then `task` is not run.
  void Run(std::function<void()> task) {
    threads_.With([&](Threads& threads) {
      std::list<std::thread> made(1);
      auto self = made.begin();
      *self = std::thread([this, self, task = std::move(task)]() mutable {
        task();
        task = nullptr;  // captured handles end before the group may
        End(self);
      });
      threads.running.splice(threads.running.end(), made);
    });
  }
  // Returns when all threads have ended, with what they keep for themselves (thread_local and that of libraries).
  void Wait() {
    std::thread last = threads_.WaitThen([](const Threads& t) { return t.running.empty(); },
                                         [](Threads& t) { return std::move(t.ended); });
    if (last.joinable()) last.join();
  }

 private:
  struct Threads {
    std::list<std::thread> running;
    std::thread ended;  // the last one that did; it joins the one before
  };
  void End(std::list<std::thread>::iterator self) {
    std::thread before = threads_.Change([&](Threads& t) {
      std::thread out = std::exchange(t.ended, std::move(*self));
      t.running.erase(self);
      return out;
    });
    if (before.joinable()) before.join();
  }
  Guarded<Threads> threads_;
};

}  // namespace bk
