#include "base/units.h"

#include <charconv>
#include <cmath>

namespace bk {

std::string FormatSize(int64_t bytes, SizeUnits units, int decimals) {
  static constexpr const char* kNames[][7] = {{"B", "kB", "MB", "GB", "TB", "PB", "EB"}, {"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"}};
  const double step = units == SizeUnits::kBinary ? 1024 : 1000;
  const double size = std::fabs(static_cast<double>(bytes));
  size_t unit = 0;
  double scale = 1;
  while (unit < 6 && size >= scale * step) unit++, scale *= step;
  if (unit == 0) return std::to_string(bytes) + "B";
  double value = static_cast<double>(bytes) / scale;
  char text[64];
  auto end = decimals == kExact ? std::to_chars(text, text + sizeof text, value, std::chars_format::fixed)
                                : std::to_chars(text, text + sizeof text, value, std::chars_format::fixed, decimals);
  return std::string(text, end.ptr) + kNames[units == SizeUnits::kBinary][unit];
}

}  // namespace bk
