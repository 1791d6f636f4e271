// The owner of a file operation: numbers as they are, names looked up in the passwd and group files of an input.
//
// An unknown name is 0, a lone number is user and group (golden exec/users). Thread-safe.
#pragma once

#include <optional>

#include "daemon/ops/file/entry.h"
#include "llb/ops.pb.h"

namespace bk::ops::file {

// nullopt when `option` is null. The roots are needed for names only (Unknown if missing). Files are read inside the root,
// regular ones of at most 10 MiB.
absl::StatusOr<std::optional<Owner>> ResolveOwner(const pb::ChownOpt* option, const os::RootDir* user_root, const os::RootDir* group_root);

}  // namespace bk::ops::file
