// The daemon's own records (its SQLite database) as `debug dump-metadata` prints them.
#pragma once

#include <string>

#include "base/status.h"

namespace bk::client {

// Every table of the database as `bucket "NAME":` with a line a row: `"KEY": COLUMN=VALUE …`. A copy is read,
// since reading itself would leave files of the reader's beside a database with a log. FailedPrecondition while a daemon has the
// directory, InvalidArgument if it is no database.
absl::StatusOr<std::string> DumpDatabase(const std::string& path);

}  // namespace bk::client
