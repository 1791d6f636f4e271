// Looking after the processes below us: reaping what ends, ending what is left.
//
// A subreaper (prctl(2)) becomes the parent of every orphan below it, so nothing that was started here is lost to the
// host's init. For single-threaded programs that wait for one child and own all others.
#pragma once

#include <sys/types.h>

#include <optional>

#include "base/status.h"

namespace bk::os {

// Orphans below this process become its children from now on.
absl::Status BecomeSubreaper();
// Reaps every child that has ended, without waiting. Returns the raw status (waitpid(2)) of `watched` if it was among them.
std::optional<int> ReapEnded(pid_t watched);
// Kills all children, those that become ours by it as well, and reaps them; returns how many there were. Needs /proc with
// CONFIG_PROC_CHILDREN (all distribution kernels); without it nothing is killed. Gives up after a few seconds on processes
// that the kernel does not let die.
int EndDescendants();

}  // namespace bk::os
