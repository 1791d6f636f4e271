// The inner half of the launcher, in its namespaces: gains capabilities, sets up mounts and network, runs the command.
#pragma once

#include "base/status.h"
#include "rootlesskit/stage/options.h"

namespace bk::rootlesskit {

// Whether this process was started as the child (its channel is in the environment).
bool IsChild();
// The code to exit with; errors are those of the set-up. `argv` are this process's own words: it executes itself once more
// with them, because capabilities in a user namespace come with an exec after the ids are mapped.
absl::StatusOr<int> RunChild(const Options& options, char** argv);

}  // namespace bk::rootlesskit
