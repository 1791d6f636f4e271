// The patterns of ${x#p}, ${x%p} and ${x/p/r}: `*`, `?` and escapes, no brackets.
#pragma once

#include <string>
#include <string_view>

#include "base/status.h"

namespace bk::dockerfile {

enum class Extent { kShortest, kLongest };

// `value` without the part that `pattern` matches at its start (end). InvalidArgument("invalid pattern (…) in substitution: …").
absl::StatusOr<std::string> TrimMatchedPrefix(std::string_view value, std::string_view pattern, Extent extent);
absl::StatusOr<std::string> TrimMatchedSuffix(std::string_view value, std::string_view pattern, Extent extent);
// The first match replaced literally, or all of them; only for all does `$0` in `replacement` mean the matched text.
absl::StatusOr<std::string> ReplaceMatched(std::string_view value, std::string_view pattern, std::string_view replacement, bool all);

}  // namespace bk::dockerfile
