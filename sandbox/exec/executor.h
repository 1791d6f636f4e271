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

namespace bk::exec {

enum class NetworkMode { kUnset, kHost, kNone };
enum class SecurityMode { kSandbox, kInsecure };

// A mount of the container besides its root. `mounts` is what the snapshotter says (alternatives of one directory tree:
// usually one element); `selector` picks a path below it, resolved inside it.
struct StepMount {
  std::string dest;
  std::vector<os::Mount> mounts;
  std::string selector;
  bool readonly = false;
};

struct HostIp {
  std::string host, ip;
};

struct Ulimit {
  std::string name;
  uint64_t soft = 0, hard = 0;
};

struct Resources {  // 0 or empty: not set
  int64_t memory_bytes = 0, memory_swap_bytes = 0;
  uint64_t cpu_shares = 0, cpu_period = 0;
  int64_t cpu_quota = 0;
  std::string cpuset_cpus, cpuset_mems;
};

struct ProcessSpec {
  std::vector<std::string> args, env;
  std::string user;  // Dockerfile's USER text: "name[:group]", "uid[:gid]", ""
  std::string cwd;
  std::string hostname;  // empty: buildkitsandbox
  bool tty = false;
  bool readonly_root = false;
  std::vector<HostIp> extra_hosts;
  std::vector<Ulimit> ulimits;
  std::string cgroup_parent;
  NetworkMode network = NetworkMode::kUnset;
  SecurityMode security = SecurityMode::kSandbox;
  bool remove_mount_stubs_recursive = false;
  std::vector<int> valid_exit_codes;
  Resources resources;
};

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
