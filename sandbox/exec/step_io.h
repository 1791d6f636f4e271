// The standard streams of a step: pipes, descriptors that the caller gives, or a terminal.
//
// Made before the runtime starts, begun when it has its ends, stopped when the step is over. Resize from any thread, the
// rest belongs to the thread that runs the step.
#pragma once

#include <memory>
#include <thread>
#include <utility>
#include <vector>

#include "base/os/unique_fd.h"
#include "sandbox/exec/output_pump.h"

namespace bk::exec {

class StepIo {
 public:
  // `stdio` must outlive it.
  static absl::StatusOr<std::shared_ptr<StepIo>> Make(const Stdio& stdio, bool tty);
  ~StepIo();

  // What the runtime gets as 0, 1 and 2.
  std::vector<std::pair<int, int>> fds() const;
  // The runtime has them: what the step writes is read from now on, what is typed for it is written.
  absl::Status Begin();
  // Takes what the step left. Idempotent.
  void Stop();
  // The runtime, which hands the terminal's size on, must be told by SIGWINCH. False without a terminal.
  bool Resize(uint16_t rows, uint16_t columns) const;

 private:
  explicit StepIo(const Stdio& stdio) : stdio_(stdio) {}
  absl::Status MakePipes();
  absl::Status MakeTerminal();
  void Type(os::UniqueFd terminal);

  const Stdio& stdio_;
  os::UniqueFd child_[3];        // ours until Begin; empty: the caller's
  os::UniqueFd output_[2];       // what the pump reads
  os::UniqueFd master_;          // with a terminal
  os::UniqueFd stop_read_, stop_write_;
  std::unique_ptr<OutputPump> pump_;
  std::thread typist_;
};

}  // namespace bk::exec
