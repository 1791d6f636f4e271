#include "daemon/cache/contenthash/entry.h"

#include <fcntl.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <vector>

namespace bk::contenthash {
namespace {

constexpr size_t kXattrLimit = 65536;  // XATTR_LIST_MAX and XATTR_SIZE_MAX of <linux/limits.h>

// The type of Go's archive/tar for a Go file mode.
char TypeFlag(uint32_t mode) {
  if (mode & fsutil::kModeDir) return '5';
  if (mode & fsutil::kModeSymlink) return '2';
  if (mode & fsutil::kModeDevice) return mode & fsutil::kModeCharDevice ? '3' : '4';
  if (mode & fsutil::kModePipe) return '6';
  return '0';
}

bool IsHashedXattr(const std::string& name) {
  if (name == "security.capability") return true;
  return !name.starts_with("security.") && !name.starts_with("system.");
}

// Of the entry behind an O_PATH descriptor; through /proc, as f*xattr refuse such descriptors (open(2)).
absl::Status ReadXattrs(int fd, fsutil::Stat& stat) {
  std::string path = StrCat("/proc/self/fd/", fd);
  std::vector<char> names(kXattrLimit), value(kXattrLimit);
  ssize_t size = listxattr(path.c_str(), names.data(), names.size());
  if (size < 0) return errno == EOPNOTSUPP ? absl::OkStatus() : ErrnoError(errno, StrCat("list attributes of ", stat.path()));
  for (ssize_t at = 0; at < size; at += static_cast<ssize_t>(std::strlen(names.data() + at)) + 1) {
    const char* name = names.data() + at;
    ssize_t n = getxattr(path.c_str(), name, value.data(), value.size());
    if (n >= 0) (*stat.mutable_xattrs())[name] = std::string(value.data(), static_cast<size_t>(n));
  }
  return absl::OkStatus();
}

absl::StatusOr<fsutil::Stat> StatFd(int fd, const std::string& path) {
  struct stat st;
  if (fstat(fd, &st) < 0) return ErrnoError(errno, StrCat("lstat ", path));
  fsutil::Stat stat;
  stat.set_path(path);
  stat.set_mode(fsutil::GoMode(st.st_mode));
  stat.set_uid(st.st_uid);
  stat.set_gid(st.st_gid);
  stat.set_size(st.st_size);
  if (S_ISLNK(st.st_mode)) {
    char target[PATH_MAX];
    ssize_t n = readlinkat(fd, "", target, sizeof target);
    if (n < 0) return ErrnoError(errno, StrCat("readlink ", path));
    stat.set_linkname(target, static_cast<size_t>(n));
  }
  BK_RETURN_IF_ERROR(ReadXattrs(fd, stat));
  return stat;
}

}  // namespace

std::string EntryHeader(const fsutil::Stat& stat) {
  uint32_t mode = stat.mode();
  char type = TypeFlag(mode);
  uint32_t permissions = type == '2' ? 0777 : fsutil::UnixMode(mode) & 07777;
  int64_t size = type == '0' ? stat.size() : 0;
  std::string header = StrCat("name", "mode", permissions, "uid", stat.uid(), "gid", stat.gid(), "size", size, "typeflag", type, "linkname",
                              type == '2' ? stat.linkname() : std::string(), "uname", "gname", "devmajor", stat.devmajor(), "devminor", stat.devminor());
  std::vector<std::string> names;
  for (const auto& [name, value] : stat.xattrs()) {
    if (IsHashedXattr(name)) names.push_back(name);
  }
  std::sort(names.begin(), names.end());
  for (const std::string& name : names) header += StrCat(name, stat.xattrs().at(name));
  return header;
}

absl::StatusOr<fsutil::Stat> StatEntry(const os::RootDir& root, const std::string& path) {
  BK_TRY(os::UniqueFd fd, root.OpenAt(path, O_PATH | O_NOFOLLOW));
  return StatFd(fd.get(), path);
}

absl::StatusOr<Digest> HashEntry(const CancelToken& cancel, const os::RootDir& root, const std::string& path) {
  BK_RETURN_IF_ERROR(cancel.Check());
  BK_TRY(fsutil::Stat stat, StatEntry(root, path));
  EntryHasher hasher(stat);
  if ((stat.mode() & fsutil::kModeType) != 0 || stat.size() == 0) return hasher.Finish();
  BK_TRY(os::UniqueFd fd, root.OpenAt(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK));
  std::vector<char> buffer(128 << 10);
  while (true) {
    BK_RETURN_IF_ERROR(cancel.Check());
    ssize_t n = read(fd.get(), buffer.data(), buffer.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return ErrnoError(errno, StrCat("failed to copy file data for ", path));
    if (n == 0) return hasher.Finish();
    hasher.Update({buffer.data(), static_cast<size_t>(n)});
  }
}

}  // namespace bk::contenthash
