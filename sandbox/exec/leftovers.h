// Ends and removes what steps leave behind: processes that outlived their step, and bundles of a daemon that crashed.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "sandbox/exec/runtime.h"

namespace bk::exec {

// Kills every process whose root directory is `rootfs` (a container without a process namespace of its own does not take
// its processes along), until there is none.
void KillProcessesBelow(const std::string& rootfs);
// "<id>.over" in the executor's directory holds the control group of a step that is over and that the runtime still knows.
inline constexpr std::string_view kOverSuffix = ".over";
// Whether there is a bundle in the executor's directory `root`: a step that an earlier daemon left, and that may still run.
bool HasBundles(const std::string& root);
// Containers, control groups, mounts and files in the executor's directory `root` that no step of this process uses. The
// containers may be those of any of `runtimes`.
absl::Status RemoveLeftovers(const std::vector<Runtime>& runtimes, const std::string& root);

}  // namespace bk::exec
