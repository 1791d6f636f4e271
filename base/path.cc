#include "base/path.h"

namespace bk {

std::string CleanPath(std::string_view path) {
  if (path.empty()) return ".";
  bool rooted = path[0] == '/';
  std::string out = rooted ? "/" : "";
  size_t floor = out.size();  // ".." may not remove what stands before this
  for (size_t at = 0; at < path.size();) {
    size_t end = std::min(path.find('/', at), path.size());
    std::string_view part = path.substr(at, end - at);
    at = end + 1;
    if (part.empty() || part == ".") continue;
    if (part == "..") {
      if (out.size() > floor) {
        size_t slash = out.rfind('/');
        out.resize(slash == std::string::npos || slash < floor ? floor : slash);
        continue;
      }
      if (rooted) continue;
    }
    if (!out.empty() && out.back() != '/') out += '/';
    out += part;
    if (part == "..") floor = out.size();
  }
  return out.empty() ? "." : out;
}

std::string BaseName(std::string_view path) {
  if (path.empty()) return ".";
  while (!path.empty() && path.back() == '/') path.remove_suffix(1);
  if (path.empty()) return "/";
  size_t slash = path.rfind('/');
  return std::string(slash == std::string_view::npos ? path : path.substr(slash + 1));
}

std::string DirName(std::string_view path) {
  size_t slash = path.rfind('/');
  return CleanPath(slash == std::string_view::npos ? std::string_view() : path.substr(0, slash + 1));
}

}  // namespace bk
