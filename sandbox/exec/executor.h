// Runs one process in a container of its own: mounts in, exit status out.
//
// The executor knows nothing of snapshots, caches or LLB: it gets mounts as values. One implementation drives OCI
// runtimes (runc, crun). Run blocks until the process ended and everything it needed is gone again. Thread-safe.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/cancel.h"
#include "base/os/mount.h"
#include "base/os/process.h"
#include "sandbox/oci/process.h"

namespace bk::exec {

struct Stdio {
  // Called from reader threads with what the process wrote; stream 1 or 2.
  std::function<void(int stream, std::string_view bytes)> output;
  int stdin_fd = -1;  // -1: /dev/null
  // With both set the process gets these descriptors in place of pipes (gateway frontends: one socketpair).
  int stdout_fd = -1, stderr_fd = -1;
};

// How the process ended. A failed step is data, not an error (architecture §6).
struct StepExit {
  int code = 0;
  bool out_of_memory = false;
};

class Executor {
 public:
  virtual ~Executor() = default;
  // `id` becomes the container's id (a NewId when empty). Errors are failures of the set-up or the runtime; on
  // cancellation the container is killed, cleaned up, and the cause returned.
  virtual absl::StatusOr<StepExit> Run(const CancelToken& cancel, const std::string& id, const std::vector<os::Mount>& root,
                                       const std::vector<StepMount>& mounts, const ProcessSpec& process, const Stdio& stdio) = 0;
};

}  // namespace bk::exec
