// Steps of the cases as the executor gets them: what the daemon above it would have made of an ExecOp, and the files that
// the cases name (README of the vectors: base, bare, full, data, data+N).
#pragma once

#include <string>
#include <vector>

#include "sandbox/oci/process.h"
#include "tests/golden/support/runner.h"

namespace bk::golden::exec {

struct StepInput {
  std::vector<os::Mount> root;
  std::vector<bk::exec::StepMount> mounts;
  bk::exec::ProcessSpec process;
};

// Directories of one suite run, laid out as the reference's below `dir`.
class StepFiles {
 public:
  explicit StepFiles(std::string dir) : dir_(std::move(dir)) {}
  std::string executor() const { return dir_ + "/root/runc-overlayfs/executor"; }
  std::string trace_socket() const { return dir_ + "/run/otel.sock"; }
  const std::string& dir() const { return dir_; }
  // A fresh copy of base, bare or full with old times, as a root.
  absl::StatusOr<std::string> MakeRoot(const std::string& name);
  // Unimplemented for a case that is decided above the executor.
  absl::StatusOr<StepInput> Make(const Json& input, bool rootless);

 private:
  absl::StatusOr<std::vector<os::Mount>> MountOf(const Json& mount, const Json& input, bool rootless);
  absl::StatusOr<std::vector<os::Mount>> Snapshot(const std::string& name, bool readonly, bool rootless);
  absl::StatusOr<std::string> NewDir(const std::string& below);

  std::string dir_;
  int next_ = 1;
};

}  // namespace bk::golden::exec
