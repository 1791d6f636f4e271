// The daemon's own records (its SQLite database) as `debug dump-metadata` prints them.
#pragma once

#include <string>

#include "base/status.h"

namespace bk::client {

// Every table of the database as `bucket "NAME":` with a line a row: `"KEY": COLUMN=VALUE …`. The file is not changed.
// FailedPrecondition while a daemon holds it, InvalidArgument if it is no database.
absl::StatusOr<std::string> DumpDatabase(const std::string& path);

}  // namespace bk::client
