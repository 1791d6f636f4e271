// The process's log on stderr: levels, text or JSON lines. The only global object of the project.
//
// Text lines look like the reference's: time="2026-…" level=info msg="…" key=value. Thread-safe.
#pragma once

#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>

#include "base/status.h"

namespace bk::log {

enum class Level { kTrace, kDebug, kInfo, kWarning, kError, kFatal };
enum class Format { kText, kJson };
using Field = std::pair<std::string_view, std::string>;

// InvalidArgument for an unknown name; names as the reference's --log-level ("warn" and "warning" are one).
absl::StatusOr<Level> ParseLevel(std::string_view name);
void Configure(Level level, Format format);
bool Enabled(Level level);
void Write(Level level, std::string_view message, std::initializer_list<Field> fields = {});

inline void Debug(std::string_view m, std::initializer_list<Field> f = {}) { Write(Level::kDebug, m, f); }
inline void Info(std::string_view m, std::initializer_list<Field> f = {}) { Write(Level::kInfo, m, f); }
inline void Warning(std::string_view m, std::initializer_list<Field> f = {}) { Write(Level::kWarning, m, f); }
inline void Error(std::string_view m, std::initializer_list<Field> f = {}) { Write(Level::kError, m, f); }

}  // namespace bk::log
