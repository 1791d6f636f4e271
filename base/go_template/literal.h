// Literals as Go's source has them. Pure; errors are InvalidArgument with Go's texts.
#pragma once

#include <string_view>

#include "base/go_template/value.h"

namespace bk::go_template {

// strconv.Unquote: "…" or `…`; '…' gives one rune.
absl::StatusOr<std::string> Unquote(std::string_view literal);
// An int or a float64; no value for a whole number that is none of int's.
absl::StatusOr<Value> ParseNumber(std::string_view text);
// 'x': an int.
absl::StatusOr<Value> ParseRune(std::string_view text);

}  // namespace bk::go_template
