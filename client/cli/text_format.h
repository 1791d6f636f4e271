// Sizes and times as the tables and JSON of buildctl show them. Pure.
#pragma once

#include <string>
#include <string_view>

#include "base/flags.h"
#include "google/protobuf/timestamp.pb.h"

namespace bk::client {

std::string SizeText(int64_t bytes);       // decimal units, two decimals: "123.46MB", "999B"
std::string ExactSizeText(int64_t bytes);  // as many decimals as needed: "123.456789MB"
std::string TimeText(const google::protobuf::Timestamp& time);      // "2026-01-02 03:04:05.1 +0000 UTC"
std::string JsonTimeText(const google::protobuf::Timestamp& time);  // "2026-01-02T03:04:05.1Z"

// What --format asks for: false: the table; true: JSON. Unimplemented for other templates than that of JSON.
absl::StatusOr<bool> WantsJson(const flags::Values& values);

// JSON with `<`, `>` and `&` as they are, not escaped.
std::string WithoutHtmlEscapes(std::string_view json);

}  // namespace bk::client
