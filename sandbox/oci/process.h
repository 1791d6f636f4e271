// What a step is: program, environment, user, mounts, limits. Plain values, shared by the executor and the OCI spec.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/os/mount.h"
#include "sandbox/oci/container_edits.h"

namespace bk::exec {

// PATH of a step that sets none. The caller of the executor adds it, before secrets.
inline constexpr char kDefaultPath[] = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

enum class NetworkMode { kUnset, kHost, kNone };
enum class SecurityMode { kSandbox, kInsecure };

// A mount of the container besides its root. `mounts` is what the snapshotter says (alternatives of one directory tree:
// usually one element); `selector` picks a path below it, resolved inside it.
struct StepMount {
  std::string dest;  // a relative one starts at the working directory
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
  bool any() const {
    return memory_bytes != 0 || memory_swap_bytes != 0 || cpu_shares != 0 || cpu_period != 0 || cpu_quota != 0 || !cpuset_cpus.empty() || !cpuset_mems.empty();
  }
};

struct ProcessSpec {
  std::vector<std::string> args, env;
  std::string user;  // Dockerfile's USER text: "name[:group]", "uid[:gid]", ""
  std::string cwd;
  std::string hostname;  // empty: buildkitsandbox
  // Socket that the step sees as /dev/otel-grpc.sock ("" or not there: none), and the variables that name it, unless the
  // step has set them. `traceparent` is the step's own span (W3C text), "" = none.
  std::string trace_socket, traceparent;
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
  ContainerEdits edits;  // of the step's devices
};

}  // namespace bk::exec
