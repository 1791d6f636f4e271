// What is still to be typed for a process: a pipe and a thread that fills it, so that a process that does not read holds
// up nothing but its own input, up to a bound.
//
// Add and End from one thread.
#pragma once

#include <string>
#include <thread>

#include "base/guarded.h"
#include "base/os/process.h"

namespace bk::frontend::gateway {

class InputQueue {
 public:
  static absl::StatusOr<std::unique_ptr<InputQueue>> Make();
  ~InputQueue();
  int read_fd() const { return pipe_.read.get(); }
  // Waits while too much is queued. Without effect after End or Over.
  void Add(std::string bytes);
  void End();
  // The process is over: nothing is read any more.
  void Over();

 private:
  static constexpr size_t kMostBytes = 1 << 20;
  struct State {
    std::string bytes;
    bool ended = false, over = false;
  };
  InputQueue() = default;
  void Fill();

  os::Pipe pipe_;
  Guarded<State> state_;
  std::thread thread_;
};

}  // namespace bk::frontend::gateway
