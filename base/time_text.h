// UTC times as text in RFC 3339's form, as Go writes them. Thread-safe (pure functions).
#pragma once

#include <cstdint>
#include <string>

namespace bk {

enum class Decimals { kNone, kAsNeeded, kNine };

// "2026-01-02T03:04:05.1Z". `separator` and `end` stand for the "T" and the "Z" of other layouts.
std::string Rfc3339(int64_t seconds, int32_t nanos = 0, Decimals decimals = Decimals::kAsNeeded, char separator = 'T', const char* end = "Z");
std::string Rfc3339OfNs(int64_t ns, Decimals decimals = Decimals::kAsNeeded);

}  // namespace bk
