// Runs one process in a container of its own: mounts in, exit status out. More processes may join it while it runs.
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

// What others may do to a process while it runs; without effect once it is over. Thread-safe.
class RunningProcess {
 public:
  virtual ~RunningProcess() = default;
  // To the process itself. Waits until it is there, if it is being made just now.
  virtual void Signal(int number) = 0;
  // Of its terminal, if it has one (ProcessSpec::tty).
  virtual void Resize(uint16_t rows, uint16_t columns) = 0;
  // Whether it, or a process that it began, can still read what comes on Stdio::stdin_fd; true too when that cannot be told.
  virtual bool ReadsInput() { return true; }
};

struct Stdio {
  // Called from a reader thread with what the process wrote; stream 1 or 2 (a terminal has 1 only).
  std::function<void(int stream, std::string_view bytes)> output;
  int stdin_fd = -1;  // -1: /dev/null. The process gets it as it is; with a terminal, what is read from it is typed there.
  // Set, the process gets these descriptors in place of pipes (gateway frontends: one socketpair). Not with a terminal.
  int stdout_fd = -1, stderr_fd = -1;
  // Called once, by the thread in Run or Exec, when the process is on its way.
  std::function<void(std::shared_ptr<RunningProcess>)> started;
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
  // One more process in the container that a Run with this `id` and Stdio::started holds just now: waits until its first
  // process runs. Arguments, environment, working directory, terminal and user (empty: the first one's) are of `process`,
  // all else is the container's. It ends with the container's first process at the latest. Unknown `container ID not found`.
  virtual absl::StatusOr<StepExit> Exec(const CancelToken&, const std::string& id, const ProcessSpec&, const Stdio&) {
    return Unimplemented("this executor cannot run another process in container ", id);
  }
};

}  // namespace bk::exec
