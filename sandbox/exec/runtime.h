// One OCI runtime program and how it is called; the reference's order of arguments for runc.
//
// crun differs in what it knows (no --keep: its `run` deletes the container itself). Thread-safe.
#pragma once

#include <string>
#include <vector>

#include "base/os/process.h"
#include "sandbox/oci/spec.h"

namespace bk::exec {

// Protections that are given up where the machine cannot have them; each loss is a warning of its own.
struct RuntimeLimits {
  bool device_filter = true;
  bool pivot_root = true;
};

class Runtime {
 public:
  // `root` holds the log and, in rootless, the runtime's state. FailedPrecondition when the program does not run.
  static absl::StatusOr<Runtime> Find(const std::string& program, const std::string& root, bool rootless);

  const std::string& program() const { return program_; }
  bool is_crun() const { return is_crun_; }
  const RuntimeLimits& limits() const { return limits_; }

  // Tries to set up a container as steps have it (nothing of it is started), if need be without one protection after
  // the other. `spec` describes it but for its root and files. On success the limits are known; otherwise
  // FailedPrecondition with the runtime's words and the fix.
  absl::Status Try(oci::SpecInput spec);

  // `run`: ends when the container did. The caller gives stdio and waits. The first process's id comes into `pid_file`, if
  // that is not empty.
  os::ProcessOptions RunOptions(const std::string& id, const std::string& bundle, const std::string& pid_file) const;
  // `exec` of the process that `process_file` describes; ends when that did.
  os::ProcessOptions ExecOptions(const std::string& id, const std::string& process_file, const std::string& pid_file) const;
  // Whether the container's first process has begun and not ended.
  bool IsRunning(const std::string& id) const;
  void Kill(const std::string& id) const;  // SIGKILL to its first process; does nothing when it is not there
  // Removes what the runtime keeps of it after `run` ended; `force` ends it first.
  void Delete(const std::string& id, bool force) const;

 private:
  Runtime(std::string program, std::string root, bool rootless) : program_(std::move(program)), root_(std::move(root)), rootless_(rootless) {}
  os::ProcessOptions Call(const std::vector<std::string>& arguments) const;
  // OK, or Unknown with the runtime's words.
  absl::Status TryOnce(const oci::SpecInput& input, const RuntimeLimits& limits) const;

  std::string program_, root_;
  bool rootless_ = false, is_crun_ = false;
  RuntimeLimits limits_;
};

// The way out for the user when a runtime's words say that it cannot work here.
std::string RuntimeFix(bool is_crun, bool cgroup2_alone, const std::string& words);

}  // namespace bk::exec
