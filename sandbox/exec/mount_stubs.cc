#include "sandbox/exec/mount_stubs.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/os/file.h"

namespace bk::exec {

MountStubs MountStubs::Note(const os::RootDir& root, std::vector<std::string> targets, bool recursive) {
  MountStubs stubs;
  targets.insert(targets.begin(), {"/etc/resolv.conf", "/etc/hosts"});
  for (const std::string& target : targets) {
    auto path = root.Resolve(target);
    if (!path.ok() || *path == "/") continue;
    for (std::string at = *path; at != "/" && !root.Lstat(at).ok(); at = os::DirName(at)) {
      stubs.missing_.push_back(at);
      if (!recursive) break;
    }
  }
  return stubs;
}

void MountStubs::Remove(const os::RootDir& root) const {
  for (const std::string& path : missing_) {
    // A step may have put a link in the way: then the path leads elsewhere and nothing is touched.
    auto resolved = root.Resolve(path);
    if (!resolved.ok() || *resolved != path) continue;
    auto st = root.Lstat(path);
    auto parent = root.OpenParent(path);
    if (!st.ok() || !parent.ok()) continue;
    if (!S_ISDIR(st->st_mode) && (!S_ISREG(st->st_mode) || st->st_size != 0)) continue;
    struct stat above;
    if (fstat(parent->fd.get(), &above) < 0) continue;
    // rmdir refuses what is not empty.
    if (unlinkat(parent->fd.get(), parent->name.c_str(), S_ISDIR(st->st_mode) ? AT_REMOVEDIR : 0) < 0) continue;
    timespec times[2] = {above.st_atim, above.st_mtim};
    utimensat(AT_FDCWD, StrCat("/proc/self/fd/", parent->fd.get()).c_str(), times, 0);
  }
}

}  // namespace bk::exec
