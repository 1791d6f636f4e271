// Numbers, durations and lists from text, with the syntax and the error texts of Go's strconv, time and csv packages.
//
// Errors are InvalidArgument. Thread-safe (pure functions).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"

namespace bk {

// `strconv.ParseInt: parsing "x": invalid syntax` (or `value out of range`); `bits` of the result, sign included.
absl::StatusOr<int64_t> ParseInt(std::string_view text, int base = 10, int bits = 64);
absl::StatusOr<uint64_t> ParseUint(std::string_view text, int base = 10, int bits = 64);
// 1 t T true TRUE True, 0 f F false FALSE False.
absl::StatusOr<bool> ParseBool(std::string_view text);
// "1h2m3.5s" in nanoseconds.
absl::StatusOr<int64_t> ParseDurationNs(std::string_view text);
// As Go prints it: "1m30s", "250ms", "0s".
std::string FormatDuration(int64_t ns);
// "1.5g", "10KiB": bytes, units of 1024.
absl::StatusOr<int64_t> ParseMemoryBytes(std::string_view text);
// One record of comma-separated values; "EOF" for an empty line, as Go's reader says.
absl::StatusOr<std::vector<std::string>> ParseCsvLine(std::string_view line);

}  // namespace bk
