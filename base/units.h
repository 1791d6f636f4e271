// Sizes as people read them: a number scaled to its largest unit, "123.46MB", "999B". Thread-safe (pure).
#pragma once

#include <cstdint>
#include <string>

namespace bk {

enum class SizeUnits {
  kDecimal,  // B kB MB GB TB PB EB
  kBinary,   // B KiB MiB GiB TiB PiB EiB
};
inline constexpr int kExact = -1;  // as many decimals as the number has

// Whole bytes below the first unit, whatever `decimals` says. Nothing is carried to the next unit by rounding: "1000.00kB".
std::string FormatSize(int64_t bytes, SizeUnits units = SizeUnits::kDecimal, int decimals = 2);

}  // namespace bk
