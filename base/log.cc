#include "base/log.h"

#include <unistd.h>

#include <atomic>
#include <ctime>

#include "base/go_json.h"
#include "base/time_text.h"

namespace bk::log {
namespace {

std::atomic<Level> g_level{Level::kInfo};
std::atomic<Format> g_format{Format::kText};

constexpr std::string_view kNames[] = {"trace", "debug", "info", "warning", "error", "fatal"};

std::string Now() { return Rfc3339(time(nullptr), 0, Decimals::kNone); }

// logfmt: bare words stay bare, everything else is quoted.
std::string TextValue(std::string_view value) {
  bool bare = !value.empty();
  for (char c : value) {
    bare = bare && (isalnum(static_cast<unsigned char>(c)) || std::string_view("-._/@^+").find(c) != std::string_view::npos);
  }
  return bare ? std::string(value) : Quote(value);
}

}  // namespace

absl::StatusOr<Level> ParseLevel(std::string_view name) {
  if (name == "warn") return Level::kWarning;
  if (name == "panic") return Level::kFatal;
  for (size_t i = 0; i < std::size(kNames); i++) {
    if (name == kNames[i]) return static_cast<Level>(i);
  }
  return InvalidArgument("not a valid log level: ", Quote(name), " (use trace, debug, info, warn, error or fatal)");
}

void Configure(Level level, Format format) {
  g_level = level;
  g_format = format;
}

bool Enabled(Level level) { return level >= g_level.load(std::memory_order_relaxed); }

void Write(Level level, std::string_view message, std::initializer_list<Field> fields) {
  if (!Enabled(level)) return;
  std::string line;
  std::string_view name = kNames[static_cast<size_t>(level)];
  if (g_format == Format::kJson) {
    line = "{";
    for (const auto& [key, value] : fields) line += StrCat(GoJsonString(key), ":", GoJsonString(value), ",");
    line += StrCat("\"level\":\"", name, "\",\"msg\":", GoJsonString(message), ",\"time\":\"", Now(), "\"}\n");
  } else {
    line = StrCat("time=\"", Now(), "\" level=", name, " msg=", TextValue(message));
    for (const auto& [key, value] : fields) line += StrCat(" ", key, "=", TextValue(value));
    line += "\n";
  }
  // One write a line, so that lines of several threads never mix.
  [[maybe_unused]] ssize_t n = ::write(STDERR_FILENO, line.data(), line.size());
}

}  // namespace bk::log
