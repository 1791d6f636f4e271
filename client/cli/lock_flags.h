// --lock, --locked and --offline of build (docs/lock.md).
#pragma once

#include "base/flags.h"
#include "client/solve/options.h"

namespace bk::client {

// Reads the file if it is to be kept to. InvalidArgument for flags that do not go together and for what is no lock file.
absl::StatusOr<LockOptions> ReadLockOptions(const flags::Values& values);
// After a build that succeeded. A file that says the same already is left as it is.
absl::Status WriteLock(const flags::Values& values, const std::string& text);

}  // namespace bk::client
