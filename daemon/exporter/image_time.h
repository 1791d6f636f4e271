// Times in image documents: RFC 3339 text as Go reads and writes it, comparable to a SOURCE_DATE_EPOCH.
//
// Values; thread-safe.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/status.h"

namespace bk::exporter {

struct ImageTime {
  int64_t seconds = 0;
  int32_t nanoseconds = 0;  // 0 … 999999999
  std::string text;         // as Go writes the time again: no trailing zeros, "Z" for UTC

  // InvalidArgument `parsing time "x" as "2006-01-02T15:04:05Z07:00": …`.
  static absl::StatusOr<ImageTime> Parse(std::string_view text);
  static ImageTime FromSeconds(int64_t seconds);  // UTC
  static ImageTime FromNs(int64_t ns);            // since the epoch; UTC
  // Seconds precision (time.RFC3339).
  std::string SecondsText() const;

  bool After(int64_t epoch_seconds) const { return seconds > epoch_seconds || (seconds == epoch_seconds && nanoseconds > 0); }
  // The same instant and the same zone.
  bool operator==(const ImageTime&) const = default;
};

}  // namespace bk::exporter
