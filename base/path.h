// Slash-separated paths as text, with the rules of Go's path package. Nothing here looks at a file system.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace bk {

// The shortest equal path; "" becomes ".".
std::string CleanPath(std::string_view path);
// Non-empty parts joined by '/' and cleaned; "" when all are empty.
template <typename... Parts>
std::string JoinPath(const Parts&... parts) {
  std::string joined;
  auto add = [&](std::string_view part) {
    if (part.empty()) return;
    if (!joined.empty()) joined += '/';
    joined += part;
  };
  (add(parts), ...);
  return joined.empty() ? joined : CleanPath(joined);
}
inline bool IsAbsolutePath(std::string_view path) { return !path.empty() && path[0] == '/'; }
// Last element ("." for "", "/" for slashes only), and everything before it, cleaned.
std::string BaseName(std::string_view path);
std::string DirName(std::string_view path);

}  // namespace bk
