// Paths inside images, which may be Windows ones: drive letters go, slashes become forward ones.
#pragma once

#include <string>
#include <string_view>

#include "base/status.h"

namespace bk::dockerfile {

// `path` without its drive. InvalidArgument for another drive than C: and for UNC paths.
absl::StatusOr<std::string> WithoutDrive(std::string_view path, std::string_view os, bool keep_slash);
// Absolute, joined to `parent` if relative; optionally with its trailing slash.
absl::StatusOr<std::string> NormalizeOsPath(std::string_view parent, std::string_view path, std::string_view os, bool keep_slash);
bool IsAbsoluteOn(std::string_view path, std::string_view os);
std::string ToSlash(std::string_view path, std::string_view os);
std::string FromSlash(std::string_view path, std::string_view os);

}  // namespace bk::dockerfile
