// The Executor over an OCI runtime program (runc, crun): a bundle a step below <root>/executor/<id>.
//
// What a crash leaves there is removed at the next start. Thread-safe.
#pragma once

#include <atomic>
#include <memory>
#include <string>

#include "sandbox/exec/executor.h"

namespace bk::exec {

struct RuntimeOptions {
  std::string root;     // state directory of the executor
  std::string binary;   // "" = runc or buildkit-runc in PATH, else crun
  bool rootless = false;
  bool process_sandbox = true;
  std::string cgroup_parent = "/buildkit";
};

// FailedPrecondition when no runtime is found or the one asked for cannot work here (the message says why and the fix).
absl::StatusOr<std::unique_ptr<Executor>> MakeRuntimeExecutor(const RuntimeOptions& options);

}  // namespace bk::exec
