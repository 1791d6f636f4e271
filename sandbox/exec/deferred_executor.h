// An Executor that is still being made: a runtime's trial takes longer than all the rest of a daemon's start.
//
// Steps wait for it. Thread-safe.
#pragma once

#include <memory>
#include <thread>

#include "base/guarded.h"
#include "sandbox/exec/executor.h"

namespace bk::exec {

class DeferredExecutor : public Executor {
 public:
  using Maker = std::function<absl::StatusOr<std::unique_ptr<Executor>>()>;
  // `make` runs on a thread of its own, at once.
  explicit DeferredExecutor(Maker make);
  ~DeferredExecutor() override;

  // Blocks until it is made, or why it cannot be.
  absl::Status Ready();
  absl::StatusOr<StepExit> Run(const CancelToken& cancel, const std::string& id, const std::vector<os::Mount>& root, const std::vector<StepMount>& mounts,
                               const ProcessSpec& process, const Stdio& stdio) override;
  absl::StatusOr<StepExit> Exec(const CancelToken& cancel, const std::string& id, const ProcessSpec& process, const Stdio& stdio) override;

 private:
  struct State {
    bool done = false;
    absl::Status failure;
    std::unique_ptr<Executor> made;  // never changed again once done
  };
  Guarded<State> state_;
  std::thread maker_;
};

}  // namespace bk::exec
