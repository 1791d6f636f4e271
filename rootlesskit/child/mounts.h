// The child's view of the file system: propagation, /proc, /sys and cgroups of its namespaces.
//
// All of it happens in a mount namespace of our own. What a restricted host refuses to mount is warned about and left as
// it was, as far as the command can still run.
#pragma once

#include <string>

#include "base/status.h"
#include "rootlesskit/stage/options.h"

namespace bk::rootlesskit {

// "rprivate", "rslave"…; an unknown word changes nothing (the parent has warned).
absl::Status SetPropagation(const std::string& propagation);
// /proc of our PID namespace.
void MountProc();
// With a network namespace: its sysfs, with the host's cgroups put back. With a cgroup namespace: cgroup2 alone at
// /sys/fs/cgroup, rooted at our own cgroup, also where the host has v1 hierarchies there; crun needs that.
absl::Status MountSys(const Options& options);

}  // namespace bk::rootlesskit
