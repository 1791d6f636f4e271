// What is still to be done after steps that are over: removing what a runtime keeps of them.
//
// It waits for a moment without a step, since it would take the processor and the kernel's locks of control groups from the
// next one (docs/performance.md has what that cost). Never more than a bounded number waits. Thread-safe.
#pragma once

#include <chrono>
#include <deque>
#include <functional>
#include <thread>

#include "base/guarded.h"

namespace bk::exec {

class Afterwards {
 public:
  struct Limits {
    std::chrono::milliseconds quiet{50};  // without a step before anything is done
    size_t most = 64;                     // above it the oldest is done beside the steps; above twice as much by the caller of Add
  };

  explicit Afterwards(Limits limits);
  Afterwards() : Afterwards(Limits()) {}
  // Does all that waits.
  ~Afterwards();

  // A step under way, as long as it lives.
  class Step {
   public:
    explicit Step(Afterwards& of);
    ~Step();
    Step(const Step&) = delete;
    Step& operator=(const Step&) = delete;

   private:
    Afterwards& of_;
  };

  void Add(std::function<void()> task);

 private:
  struct State {
    std::deque<std::function<void()>> tasks;
    int steps = 0;
    uint64_t begun = 0;  // steps in all
    bool ending = false;
  };
  void Work();
  // Whether the next task is to be done even beside a step.
  bool Pressing(const State& state) const { return state.ending || state.tasks.size() > limits_.most; }

  const Limits limits_;
  Guarded<State> state_;
  std::thread worker_;  // last: it uses the others
};

}  // namespace bk::exec
