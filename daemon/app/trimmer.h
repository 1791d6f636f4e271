// Makes a daemon that rests small: some seconds after the start and after the last build it unmaps the clean pages of the
// program, most of what an idle daemon would show (docs/performance.md). Blocks nobody but its own thread.
#pragma once

#include <chrono>
#include <functional>
#include <thread>

#include "base/guarded.h"

namespace bk::app {

class Trimmer {
 public:
  // `trim` runs on a thread of its own, `rest` after the last Wake; the making is the first one.
  Trimmer(std::chrono::milliseconds rest, std::function<void()> trim);
  ~Trimmer();
  void Wake();

 private:
  struct State {
    bool woken = true, stop = false;
  };
  void Loop();

  const std::chrono::milliseconds rest_;
  const std::function<void()> trim_;
  Guarded<State> state_;
  std::thread thread_;  // last
};

}  // namespace bk::app
