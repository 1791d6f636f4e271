// buildkitd.toml as a table of typed values: syntax, names and types are checked, meaning and what is built are not.
//
// Names match in any case, as the reference reads them. Pure function. Format: TOML 1.0; keys: table.h.
#pragma once

#include <string>
#include <vector>

#include "daemon/config/value.h"

namespace bk::config {

struct TomlFile {
  Table table;  // keys that are set; a zero counts as not set unless its row says otherwise
  // Keys with their places ("worker.oci.x (line 3, column 1)"), in the order of the file.
  std::vector<std::string> unknown, not_built;
};

// InvalidArgument names line and column.
absl::StatusOr<TomlFile> ReadToml(const std::string& text);

}  // namespace bk::config
