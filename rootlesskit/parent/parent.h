// The outer half of the launcher: state directory, child in its namespaces, ids, network; then it waits and passes signals on.
//
// Single-threaded. It stays as the caller's child for as long as the command runs and ends everything below it when it ends.
#pragma once

#include <string>
#include <vector>

#include "base/status.h"
#include "rootlesskit/stage/options.h"

namespace bk::rootlesskit {

// The code to exit with once the child has ended, or why it could not be set up (ExitCodeOf). `words` are the program's
// own arguments: the child is this program again, with the same ones.
absl::StatusOr<int> RunParent(const Options& options, const std::vector<std::string>& words);

}  // namespace bk::rootlesskit
