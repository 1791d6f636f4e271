// What --format asks for.
#pragma once

#include <optional>

#include "base/flags.h"
#include "base/go_template/template.h"

namespace bk::client {

inline constexpr char kFormatUsage[] = "Format the output using the given Go template, e.g, '{{json .}}'";

// The template of --format ("json" stands for `{{json .}}`); nothing: the table. InvalidArgument with Go's text.
absl::StatusOr<std::optional<go_template::Template>> ReadFormat(const flags::Values& values);

// The value in that form and a line's end to stdout. What was printed before an error is printed.
absl::Status PrintValue(const go_template::Template& format, const go_template::Value& value);

}  // namespace bk::client
