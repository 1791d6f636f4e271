// Ends and removes what steps leave behind: processes that outlived their step, and bundles of a daemon that crashed.
#pragma once

#include <string>
#include <string_view>

#include "sandbox/exec/runtime.h"

namespace bk::exec {

// Kills every process whose root directory is `rootfs` (a container without a process namespace of its own does not take
// its processes along), until there is none.
void KillProcessesBelow(const std::string& rootfs);
// "<id>.over" in the executor's directory holds the control group of a step that is over and that the runtime still knows.
inline constexpr std::string_view kOverSuffix = ".over";
// Containers, control groups, mounts and files in the executor's directory `root` that no step of this process uses.
absl::Status RemoveLeftovers(const Runtime& runtime, const std::string& root);

}  // namespace bk::exec
