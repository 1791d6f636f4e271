#include "rootlesskit/child/copy_up.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <memory>

#include "base/id.h"
#include "base/os/file.h"
#include "base/os/unique_fd.h"

namespace bk::rootlesskit {
namespace {

// The mount itself, attached to nothing yet. Everything is made through its descriptor, never by path: where the working
// directory lies below it, paths would still lead to the original's files.
absl::StatusOr<os::UniqueFd> NewTmpfs() {
  os::UniqueFd context(fsopen("tmpfs", FSOPEN_CLOEXEC));
  if (!context) return ErrnoError(errno, "fsopen tmpfs");
  if (fsconfig(context.get(), FSCONFIG_SET_STRING, "source", "none", 0) < 0 || fsconfig(context.get(), FSCONFIG_CMD_CREATE, nullptr, nullptr, 0) < 0) {
    return ErrnoError(errno, "configure tmpfs");
  }
  os::UniqueFd tmpfs(fsmount(context.get(), FSMOUNT_CLOEXEC, 0));
  if (!tmpfs) return ErrnoError(errno, "fsmount tmpfs");
  return tmpfs;
}

// ".ro" and digits.
absl::StatusOr<std::string> MakeHiddenDir(int tmpfs) {
  std::string name = ".ro";
  for (unsigned char byte : RandomBytes(9)) name += static_cast<char>('0' + byte % 10);
  if (mkdirat(tmpfs, name.c_str(), 0700) < 0) return ErrnoError(errno, StrCat("mkdir ", name));
  return name;
}

absl::Status LinkEntry(int tmpfs, int original, const std::string& hidden, const char* name) {
  std::string target = StrCat(hidden, "/", name);
  char text[PATH_MAX];
  ssize_t size = readlinkat(original, name, text, sizeof text);
  if (size >= 0) target.assign(text, static_cast<size_t>(size));
  if (symlinkat(target.c_str(), tmpfs, name) == 0) return absl::OkStatus();
  // Something may have made an entry of its own on the fresh tmpfs (mount(8) wrote /etc/mtab once).
  if (errno == EEXIST && unlinkat(tmpfs, name, 0) == 0 && symlinkat(target.c_str(), tmpfs, name) == 0) return absl::OkStatus();
  return ErrnoError(errno, StrCat("symlinking ", target, " to ", name));
}

absl::Status LinkEntries(int tmpfs, const std::string& hidden) {
  int fd = openat(tmpfs, hidden.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  std::unique_ptr<DIR, int (*)(DIR*)> dir(fd < 0 ? nullptr : fdopendir(fd), &closedir);
  if (dir == nullptr) return ErrnoError(errno, StrCat("reading dir ", hidden));
  while (dirent* entry = readdir(dir.get())) {
    std::string_view name = entry->d_name;
    if (name != "." && name != "..") BK_RETURN_IF_ERROR(LinkEntry(tmpfs, fd, hidden, entry->d_name));
  }
  return absl::OkStatus();
}

absl::Status CopyUpOne(const std::string& dir) {
  auto failed = [&] { return ErrnoError(errno, StrCat("failed to create bind mount on ", dir)); };
  struct stat st;
  if (stat(dir.c_str(), &st) < 0) return failed();
  if (!S_ISDIR(st.st_mode)) {
    errno = ENOTDIR;
    return failed();
  }
  // A copy of the mounts below `dir`, attached to nothing yet.
  os::UniqueFd original(open_tree(AT_FDCWD, dir.c_str(), OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE));
  if (!original) return failed();
  BK_TRY(os::UniqueFd tmpfs, NewTmpfs());
  if (move_mount(tmpfs.get(), "", AT_FDCWD, dir.c_str(), MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_SYMLINKS) < 0) {
    return ErrnoError(errno, StrCat("failed to mount tmpfs on ", dir));
  }
  BK_TRY(std::string hidden, MakeHiddenDir(tmpfs.get()));
  if (move_mount(original.get(), "", tmpfs.get(), hidden.c_str(), MOVE_MOUNT_F_EMPTY_PATH) < 0) {
    return ErrnoError(errno, StrCat("failed to move mount point to ", dir, "/", hidden));
  }
  return LinkEntries(tmpfs.get(), hidden);
}

}  // namespace

absl::Status CopyUp(const std::vector<std::string>& dirs) {
  for (const std::string& given : dirs) {
    std::string dir = os::CleanPath(given);
    if (given.empty()) return InvalidArgument("--copy-up needs a directory");
    if (dir == "/" || dir == "/tmp") return InvalidArgument(dir, " cannot be copied up");
    BK_RETURN_IF_ERROR(CopyUpOne(dir));
  }
  return absl::OkStatus();
}

bool CopiesEtc(const std::vector<std::string>& dirs) {
  return std::any_of(dirs.begin(), dirs.end(), [](const std::string& dir) { return os::CleanPath(dir) == "/etc"; });
}

}  // namespace bk::rootlesskit
