#include "base/os/unmount_below.h"

#include <algorithm>
#include <cerrno>
#include <cstdlib>

#include "base/os/mount.h"

namespace bk::os {
namespace {

bool IsBelow(const std::string& path, const std::string& dir) { return path.starts_with(dir) && (path.size() == dir.size() || path[dir.size()] == '/'); }

}  // namespace

bool UnmountBelow(const std::string& path) {
  char* real = realpath(path.c_str(), nullptr);  // mountinfo has no links
  if (real == nullptr) return errno == ENOENT;
  std::string dir(real);
  free(real);
  auto mounts = ReadMountInfo();
  if (!mounts.ok()) return false;
  std::reverse(mounts->begin(), mounts->end());  // later mounts may stand on earlier ones
  bool all = true;
  for (const MountInfo& mount : *mounts) {
    if (!IsBelow(mount.mount_point, dir)) continue;
    all = (UnmountAll(mount.mount_point).ok() || UnmountAll(mount.mount_point, true).ok()) && all;
  }
  return all;
}

}  // namespace bk::os
