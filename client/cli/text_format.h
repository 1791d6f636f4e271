// What --format asks for, and JSON as buildctl prints it. Pure.
#pragma once

#include <string>
#include <string_view>

#include "base/flags.h"

namespace bk::client {

// What --format asks for: false: the table; true: JSON. Unimplemented for other templates than that of JSON.
absl::StatusOr<bool> WantsJson(const flags::Values& values);

// JSON with `<`, `>` and `&` as they are, not escaped.
std::string WithoutHtmlEscapes(std::string_view json);

}  // namespace bk::client
