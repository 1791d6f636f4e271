#include "rootlesskit/child/copy_up.h"

#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "base/os/file.h"
#include "base/os/unique_fd.h"

namespace bk::rootlesskit {
namespace {

absl::Status LinkEntries(const std::string& dir, const std::string& hidden) {
  std::string hidden_dir = os::JoinPath(dir, hidden);
  BK_TRY(auto names, os::ListDir(hidden_dir));
  for (const std::string& name : names) {
    std::string original = StrCat(hidden_dir, "/", name), target = StrCat(hidden, "/", name), link = StrCat(dir, "/", name);
    struct stat st;
    if (lstat(original.c_str(), &st) == 0 && S_ISLNK(st.st_mode)) BK_ASSIGN(target, os::ReadLink(original));
    // Something may have made an entry of its own on the fresh tmpfs (mount(8) wrote /etc/mtab once).
    if (symlink(target.c_str(), link.c_str()) == 0) continue;
    if (errno == EEXIST) {
      BK_RETURN_IF_ERROR(os::RemoveAll(link));
      if (symlink(target.c_str(), link.c_str()) == 0) continue;
    }
    return ErrnoError(errno, StrCat("symlinking ", target, " to ", link));
  }
  return absl::OkStatus();
}

absl::Status CopyUpOne(const std::string& dir) {
  if (dir == "/tmp") return InvalidArgument("/tmp cannot be copied up");
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
  if (mount("none", dir.c_str(), "tmpfs", 0, "") < 0) return ErrnoError(errno, StrCat("failed to mount tmpfs on ", dir));
  std::string hidden = StrCat(dir, "/.roXXXXXX");
  if (mkdtemp(hidden.data()) == nullptr) return ErrnoError(errno, StrCat("creating a directory under ", dir));
  if (move_mount(original.get(), "", AT_FDCWD, hidden.c_str(), MOVE_MOUNT_F_EMPTY_PATH) < 0) {
    return ErrnoError(errno, StrCat("failed to move mount point to ", hidden));
  }
  return LinkEntries(dir, os::BaseName(hidden));
}

}  // namespace

absl::Status CopyUp(const std::vector<std::string>& dirs) {
  for (const std::string& dir : dirs) BK_RETURN_IF_ERROR(CopyUpOne(os::CleanPath(dir)));
  return absl::OkStatus();
}

bool CopiesEtc(const std::vector<std::string>& dirs) {
  return std::any_of(dirs.begin(), dirs.end(), [](const std::string& dir) { return os::CleanPath(dir) == "/etc"; });
}

}  // namespace bk::rootlesskit
