// A process that a runtime program runs in a container, as others reach it while the runtime waits for its end.
//
// The runtime says its number in a file; a signal goes to it by a pidfd, and only while the runtime is there to reap it,
// so that never another process gets it. Thread-safe.
#pragma once

#include "base/guarded.h"
#include "base/os/process.h"
#include "sandbox/exec/step_io.h"

namespace bk::exec {

class RuntimeProcess final : public RunningProcess {
 public:
  static absl::StatusOr<std::shared_ptr<RuntimeProcess>> Make(const os::Process& runtime, std::string pid_file, std::shared_ptr<const StepIo> io);
  void Signal(int number) override;
  void Resize(uint16_t rows, uint16_t columns) override;
  bool ReadsInput() override;

 private:
  RuntimeProcess(pid_t pid, os::UniqueFd runtime, std::string pid_file, std::shared_ptr<const StepIo> io)
      : pid_(pid), runtime_(std::move(runtime)), pid_file_(std::move(pid_file)), io_(std::move(io)) {}
  bool Over() const;
  os::UniqueFd Find() const;
  pid_t FirstPid() const;  // 0: not known yet

  const pid_t pid_;             // of the runtime
  const os::UniqueFd runtime_;  // pidfd
  const std::string pid_file_;
  const std::shared_ptr<const StepIo> io_;
  Guarded<os::UniqueFd> process_;  // pidfd, once known
};

}  // namespace bk::exec
