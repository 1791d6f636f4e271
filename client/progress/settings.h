// What the environment says about the display: NO_COLOR, BUILDKIT_COLORS, BUILDKIT_TTY_LOG_LINES, TTY_DISPLAY_RATE and
// PROGRESS_NO_TRUNC. A value that makes no sense is told in `complaints` and passed over; their words are the reference's. Pure.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace bk::client {

struct Complaint {
  std::string message;
  std::string error;  // may be ""
};

struct Settings {
  // SGR sequences for finished lines; "": no colour.
  std::string run = "\x1b[34m", cancel = "\x1b[33m", error = "\x1b[31m", warning = "\x1b[33m";
  int log_lines = 6;  // wished height of a log window
  int64_t tick_ms = 150, redraw_ms = 100;
  bool cut_names = false;  // plain: names at 72 bytes
  std::vector<Complaint> complaints;
};

using Environment = std::function<std::optional<std::string>(const char* name)>;
Settings ReadSettings(const Environment& environment);
void LogComplaints(const std::vector<Complaint>& complaints);
std::optional<std::string> ProcessEnvironment(const char* name);

}  // namespace bk::client
