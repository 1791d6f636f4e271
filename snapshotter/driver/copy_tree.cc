#include "snapshotter/driver/copy_tree.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <cerrno>
#include <map>
#include <vector>

#include "base/os/file.h"

namespace bk::snapshotter {
namespace {

absl::Status CopyXattrs(const std::string& from, const std::string& to) {
  char names[65536];
  ssize_t size = llistxattr(from.c_str(), names, sizeof names);
  if (size <= 0) return absl::OkStatus();
  std::string value;
  for (const char* name = names; name < names + size; name += strlen(name) + 1) {
    ssize_t n = lgetxattr(from.c_str(), name, nullptr, 0);
    if (n < 0) continue;
    value.resize(static_cast<size_t>(n));
    n = lgetxattr(from.c_str(), name, value.data(), value.size());
    if (n < 0) continue;
    // A user namespace may not set some namespaces (trusted.*, security.selinux): such attributes mean nothing there.
    if (lsetxattr(to.c_str(), name, value.data(), static_cast<size_t>(n), 0) < 0 && errno != EPERM && errno != EOPNOTSUPP) {
      return ErrnoError(errno, StrCat("set attribute ", std::string_view(name), " of ", to));
    }
  }
  return absl::OkStatus();
}

absl::Status CopyData(const std::string& from, const std::string& to, const struct stat& st) {
  BK_TRY(os::UniqueFd source, os::Open(from, O_RDONLY | O_NOFOLLOW));
  BK_TRY(os::UniqueFd target, os::Open(to, O_WRONLY | O_CREAT | O_EXCL, 0600));
  if (ioctl(target.get(), FICLONE, source.get()) == 0) return absl::OkStatus();
  if (ftruncate(target.get(), st.st_size) < 0) return ErrnoError(errno, StrCat("truncate ", to));
  // Only data extents are copied, so holes stay holes.
  off_t at = 0;
  while (at < st.st_size) {
    off_t data = lseek(source.get(), at, SEEK_DATA);
    if (data < 0) break;
    off_t end = lseek(source.get(), data, SEEK_HOLE);
    if (end < 0) end = st.st_size;
    off_t in = data, out = data;
    while (in < end) {
      ssize_t n = copy_file_range(source.get(), &in, target.get(), &out, static_cast<size_t>(end - in), 0);
      if (n < 0) return ErrnoError(errno, StrCat("copy ", from));
      if (n == 0) break;
    }
    at = end;
  }
  return absl::OkStatus();
}

absl::Status CopyEntry(const std::string& from, const std::string& to, const struct stat& st) {
  if (S_ISREG(st.st_mode)) return CopyData(from, to, st);
  if (S_ISDIR(st.st_mode)) return mkdir(to.c_str(), 0700) < 0 ? ErrnoError(errno, StrCat("mkdir ", to)) : absl::OkStatus();
  if (S_ISLNK(st.st_mode)) {
    BK_TRY(std::string target, os::ReadLink(from));
    return symlink(target.c_str(), to.c_str()) < 0 ? ErrnoError(errno, StrCat("symlink ", to)) : absl::OkStatus();
  }
  return mknod(to.c_str(), st.st_mode, st.st_rdev) < 0 ? ErrnoError(errno, StrCat("mknod ", to)) : absl::OkStatus();
}

}  // namespace

absl::Status CopyAttributes(const std::string& from, const std::string& to) {
  struct stat st;
  if (lstat(from.c_str(), &st) < 0) return ErrnoError(errno, StrCat("stat ", from));
  if (lchown(to.c_str(), st.st_uid, st.st_gid) < 0) return ErrnoError(errno, StrCat("chown ", to));
  BK_RETURN_IF_ERROR(CopyXattrs(from, to));
  if (!S_ISLNK(st.st_mode) && chmod(to.c_str(), st.st_mode & 07777) < 0) return ErrnoError(errno, StrCat("chmod ", to));
  timespec times[2] = {st.st_atim, st.st_mtim};
  if (utimensat(AT_FDCWD, to.c_str(), times, AT_SYMLINK_NOFOLLOW) < 0) return ErrnoError(errno, StrCat("set times of ", to));
  return absl::OkStatus();
}

absl::Status CopyTree(const CancelToken& cancel, const std::string& from, const std::string& to) {
  std::map<std::pair<dev_t, ino_t>, std::string> links;  // first copy of files with several names
  std::vector<std::string> directories = {""};           // relative; attributes are set last, children first
  for (size_t next = 0; next < directories.size(); next++) {
    std::string directory = directories[next];
    BK_RETURN_IF_ERROR(cancel.Check());
    BK_TRY(std::vector<std::string> names, os::ListDir(from + directory));
    for (const std::string& name : names) {
      std::string path = StrCat(directory, "/", name);
      struct stat st;
      if (lstat((from + path).c_str(), &st) < 0) return ErrnoError(errno, StrCat("stat ", from, path));
      if (S_ISSOCK(st.st_mode)) continue;
      if (st.st_nlink > 1 && !S_ISDIR(st.st_mode)) {
        auto [first, fresh] = links.try_emplace({st.st_dev, st.st_ino}, path);
        if (!fresh) {
          if (link((to + first->second).c_str(), (to + path).c_str()) < 0) return ErrnoError(errno, StrCat("link ", to, path));
          continue;
        }
      }
      BK_RETURN_IF_ERROR(CopyEntry(from + path, to + path, st));
      if (S_ISDIR(st.st_mode)) {
        directories.push_back(path);
      } else {
        BK_RETURN_IF_ERROR(CopyAttributes(from + path, to + path));
      }
    }
  }
  for (auto it = directories.rbegin(); it != directories.rend(); ++it) BK_RETURN_IF_ERROR(CopyAttributes(from + *it, to + *it));
  return absl::OkStatus();
}

}  // namespace bk::snapshotter
