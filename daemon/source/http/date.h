// Times in HTTP headers, as Go's net/http reads and writes them.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace bk::source::http {

// Seconds since the epoch from the three forms of RFC 9110, 5.6.7; nothing for any other text.
std::optional<int64_t> ParseDate(std::string_view text);
// "Tue, 15 Nov 1994 12:45:26 GMT".
std::string FormatDate(int64_t seconds);

}  // namespace bk::source::http
