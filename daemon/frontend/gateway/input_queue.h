// What is still to be typed for a process: a pipe and a thread that fills it, so that a process that does not read holds
// up nothing but its own input, up to a bound.
//
// Add and End from one thread, Over from any.
#pragma once

#include <string>
#include <string_view>
#include <thread>

#include "base/cancel.h"
#include "base/guarded.h"
#include "base/os/process.h"

namespace bk::frontend::gateway {

class InputQueue {
 public:
  static absl::StatusOr<std::unique_ptr<InputQueue>> Make();
  ~InputQueue();
  int read_fd() const { return pipe_.read.get(); }
  // Waits while too much is queued, until `cancel`. Without effect after End or Over.
  void Add(const CancelToken& cancel, std::string bytes);
  void End();
  // The process is over: nothing is read any more. Closes read_fd.
  void Over();

 private:
  static constexpr size_t kMostBytes = 1 << 20;
  struct State {
    std::string bytes;
    bool ended = false, over = false;
  };
  InputQueue() = default;
  void Fill();
  bool Put(std::string_view bytes);  // false: nobody reads

  os::Pipe pipe_, stop_;
  Guarded<State> state_;
  std::thread thread_;
};

}  // namespace bk::frontend::gateway
