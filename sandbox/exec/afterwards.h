// What is still to be done after steps that are over: removing what a runtime keeps of them. Nothing waits for it but the end.
//
// Bounded: with too much of it under way the caller does it itself. Thread-safe.
#pragma once

#include <functional>

#include "base/guarded.h"
#include "base/task_group.h"

namespace bk::exec {

class Afterwards {
 public:
  // False when `most` tasks run already; then `task` was not taken.
  bool RunUnlessMoreThan(int most, std::function<void()> task) {
    bool taken = running_.With([&](int& n) { return n < most ? (n++, true) : false; });
    if (!taken) return false;
    tasks_.Run([this, task = std::move(task)] {
      task();
      running_.With([](int& n) { n--; });
    });
    return true;
  }
  void Wait() { tasks_.Wait(); }

 private:
  Guarded<int> running_;
  TaskGroup tasks_;  // last: it waits for what uses the others
};

}  // namespace bk::exec
