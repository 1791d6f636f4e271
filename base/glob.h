// Shell patterns with the rules of Go's filepath.Match: `*` and `?` stop at '/', classes `[^a-z]` do not, `\` escapes.
#pragma once

#include <string_view>

#include "base/status.h"

namespace bk {

// Whether `pattern` matches all of `name`. InvalidArgument("syntax error in pattern") for a bad pattern, whatever the name.
// Linear times the number of stars at worst. Thread-safe.
absl::StatusOr<bool> GlobMatch(std::string_view pattern, std::string_view name);
absl::Status CheckGlob(std::string_view pattern);

}  // namespace bk
