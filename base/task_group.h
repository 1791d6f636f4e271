// Threads that run one task each and are waited for: the house's way to block on behalf of a request.
//
// Parallelism is never limited here (a task may wait for another one); use a Semaphore for that. Thread-safe.
#pragma once

#include <functional>
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

  void Run(std::function<void()> task) {
    running_.With([](int& n) { n++; });
    std::thread([this, task = std::move(task)]() mutable {
      task();
      task = nullptr;  // captured handles end before the group may
      running_.Change([](int& n) { n--; });
    }).detach();
  }
  void Wait() {
    running_.Wait([](int n) { return n == 0; });
  }

 private:
  Guarded<int> running_;
};

}  // namespace bk
