#include "daemon/frontend/dockerfile/convert/os_path.h"

#include <algorithm>

#include "base/path.h"
#include "base/unicode.h"

namespace bk::dockerfile {
namespace {

std::string Replace(std::string_view text, char from, char to) {
  std::string out(text);
  std::replace(out.begin(), out.end(), from, to);
  return out;
}

std::string CleanKeeping(std::string_view path, bool keep_slash) {
  std::string clean = CleanPath(path);
  if (keep_slash && clean.size() > 1 && path.ends_with('/')) clean += '/';
  return clean;
}

}  // namespace

std::string ToSlash(std::string_view path, std::string_view os) { return os == "windows" ? Replace(path, '\\', '/') : std::string(path); }
std::string FromSlash(std::string_view path, std::string_view os) { return os == "windows" ? Replace(path, '/', '\\') : std::string(path); }

absl::StatusOr<std::string> WithoutDrive(std::string_view path, std::string_view os, bool keep_slash) {
  if (os != "windows") return std::string(path);
  if (path.size() == 2 && path[1] == ':') return InvalidArgument("No relative path specified in ", Quote(path));
  std::string slashed = ToSlash(path, os);
  if (slashed.starts_with("//")) return InvalidArgument("UNC paths are not supported");
  size_t colon = slashed.find(':');
  if (colon == std::string::npos) return CleanKeeping(slashed, keep_slash);
  if (!EqualFold(std::string_view(slashed).substr(0, colon), "c")) {
    return InvalidArgument("The specified path is not on the system drive (C:)");
  }
  return CleanKeeping(std::string_view(slashed).substr(colon + 1), keep_slash);
}

absl::StatusOr<std::string> NormalizeOsPath(std::string_view given_parent, std::string_view given, std::string_view os, bool keep_slash) {
  auto without_drive = [&](const std::string& path) -> absl::StatusOr<std::string> {
    auto result = WithoutDrive(path, os, keep_slash);
    return result.ok() ? result : Annotate(result.status(), "removing drive letter");
  };
  std::string original = ToSlash(given, os), parent = ToSlash(given_parent, os);
  if (parent.empty()) parent = "/";
  BK_TRY(parent, without_drive(parent));
  if (!IsAbsoluteOn(parent, os)) parent = JoinPath("/", parent);
  BK_TRY(std::string path, without_drive(original.empty() ? parent : original));
  if (!IsAbsoluteOn(path, os)) path = JoinPath(parent, path);
  if (keep_slash && original.ends_with('/') && !path.ends_with('/')) {
    path += '/';
  } else if (keep_slash && original.ends_with("/.") && !original.ends_with('/')) {
    if (path != "/") path += '/';
    path += '.';
  }
  return ToSlash(path, os);
}

bool IsAbsoluteOn(std::string_view path, std::string_view os) {
  auto rest = WithoutDrive(path, os, false);
  return rest.ok() && IsAbsolutePath(*rest);
}

}  // namespace bk::dockerfile
