#include "proto/fsutil/stat.h"

#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstring>

#include "base/os/xattr.h"

namespace bk::fsutil {
uint32_t GoMode(mode_t mode) {
  uint32_t out = mode & 0777;
  switch (mode & S_IFMT) {
    case S_IFDIR: out |= kModeDir; break;
    case S_IFLNK: out |= kModeSymlink; break;
    case S_IFBLK: out |= kModeDevice; break;
    case S_IFCHR: out |= kModeDevice | kModeCharDevice; break;
    case S_IFIFO: out |= kModePipe; break;
    case S_IFSOCK: out |= kModeSocket; break;
  }
  if (mode & S_ISUID) out |= kModeSetuid;
  if (mode & S_ISGID) out |= kModeSetgid;
  if (mode & S_ISVTX) out |= kModeSticky;
  return out;
}

mode_t UnixMode(uint32_t go_mode) {
  mode_t out = go_mode & 0777;
  if (go_mode & kModeDir) {
    out |= S_IFDIR;
  } else if (go_mode & kModeSymlink) {
    out |= S_IFLNK;
  } else if (go_mode & kModeCharDevice) {
    out |= S_IFCHR;
  } else if (go_mode & kModeDevice) {
    out |= S_IFBLK;
  } else if (go_mode & kModePipe) {
    out |= S_IFIFO;
  } else if (go_mode & kModeSocket) {
    out |= S_IFSOCK;
  } else {
    out |= S_IFREG;
  }
  if (go_mode & kModeSetuid) out |= S_ISUID;
  if (go_mode & kModeSetgid) out |= S_ISGID;
  if (go_mode & kModeSticky) out |= S_ISVTX;
  return out;
}

absl::StatusOr<Stat> MakeStat(int dir_fd, const char* name, std::string_view path, const struct stat& st) {
  Stat stat;
  stat.set_path(std::string(path));
  stat.set_mode(GoMode(st.st_mode) & ~kModeSocket);  // a socket is sent as a plain file
  stat.set_uid(st.st_uid);
  stat.set_gid(st.st_gid);
  stat.set_modtime(st.st_mtim.tv_sec * 1'000'000'000LL + st.st_mtim.tv_nsec);
  if (S_ISREG(st.st_mode)) stat.set_size(st.st_size);
  if (S_ISCHR(st.st_mode) || S_ISBLK(st.st_mode)) {
    stat.set_devmajor(major(st.st_rdev));
    stat.set_devminor(minor(st.st_rdev));
  }
  if (S_ISLNK(st.st_mode)) {
    char target[PATH_MAX];
    ssize_t n = readlinkat(dir_fd, name, target, sizeof target);
    if (n < 0) return ErrnoError(errno, StrCat("readlink ", path));
    stat.set_linkname(target, static_cast<size_t>(n));
    stat.set_size(n);
    return stat;
  }
  char names[4096], value[65536];
  ssize_t size = os::ListXattrsAt(dir_fd, name, names, sizeof names);
  if (size <= 0) return stat;
  std::string full = StrCat("/proc/self/fd/", dir_fd, "/", std::string_view(name));
  for (ssize_t at = 0; at < size; at += static_cast<ssize_t>(std::strlen(names + at)) + 1) {
    ssize_t n = lgetxattr(full.c_str(), names + at, value, sizeof value);
    if (n >= 0) (*stat.mutable_xattrs())[names + at] = std::string(value, static_cast<size_t>(n));
  }
  return stat;
}

int ComparePaths(std::string_view a, std::string_view b) {
  size_t size = std::min(a.size(), b.size());
  for (size_t i = 0; i < size; i++) {
    if (a[i] == b[i]) continue;
    if (a[i] == '/') return -1;
    if (b[i] == '/') return 1;
    return static_cast<unsigned char>(a[i]) < static_cast<unsigned char>(b[i]) ? -1 : 1;
  }
  return a.size() == b.size() ? 0 : a.size() < b.size() ? -1 : 1;
}

}  // namespace bk::fsutil
