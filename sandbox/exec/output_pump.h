// Reads what a step writes until both streams ended, or until Stop: then only what is already there.
//
// One thread of its own calls the receiver; a descriptor that leaked out of the step cannot keep it waiting.
#pragma once

#include <thread>

#include "base/os/unique_fd.h"
#include "sandbox/exec/executor.h"

namespace bk::exec {

class OutputPump {
 public:
  // An empty descriptor: the stream goes elsewhere. `receive` must outlive the pump.
  static absl::StatusOr<std::unique_ptr<OutputPump>> Start(os::UniqueFd out, os::UniqueFd err, const std::function<void(int, std::string_view)>& receive);
  ~OutputPump();
  // The step is over: takes what it left and ends. Idempotent.
  void Stop();

 private:
  OutputPump() = default;
  void Loop();

  os::UniqueFd streams_[2];
  os::UniqueFd stop_read_, stop_write_;
  const std::function<void(int, std::string_view)>* receive_ = nullptr;
  std::thread thread_;
};

}  // namespace bk::exec
