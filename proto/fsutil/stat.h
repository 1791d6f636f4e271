// fsutil's Stat of a file, with Go's mode bits (trap 7), and the order of paths (trap 6).
#pragma once

#include <sys/stat.h>

#include <string>
#include <string_view>

#include "base/status.h"
#include "fsutil/fsutil.pb.h"

namespace bk::fsutil {

using Packet = ::fsutil::types::Packet;
using Stat = ::fsutil::types::Stat;

inline constexpr uint32_t kModeDir = 1u << 31, kModeSymlink = 1u << 27, kModeDevice = 1u << 26, kModePipe = 1u << 25, kModeSocket = 1u << 24,
                          kModeSetuid = 1u << 23, kModeSetgid = 1u << 22, kModeCharDevice = 1u << 21, kModeSticky = 1u << 20;
inline constexpr uint32_t kModeType = kModeDir | kModeSymlink | kModeDevice | kModePipe | kModeSocket | kModeCharDevice;

uint32_t GoMode(mode_t mode);
mode_t UnixMode(uint32_t go_mode);  // type bits and permissions
// Of `name` in the directory `dir_fd`; `path` is what the Stat says. Link targets are read, extended attributes kept.
absl::StatusOr<Stat> MakeStat(int dir_fd, const char* name, std::string_view path, const struct stat& st);

// Component-wise: the separator is lower than any other byte, so a parent comes before its children.
int ComparePaths(std::string_view a, std::string_view b);

}  // namespace bk::fsutil
