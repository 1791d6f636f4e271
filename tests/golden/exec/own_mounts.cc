#include "tests/golden/exec/own_mounts.h"

#include <sched.h>
#include <sys/mount.h>
#include <unistd.h>

#include "base/os/file.h"

namespace bk::golden::exec {

absl::Status OwnMounts() {
  static const absl::Status status = [] {
    uid_t uid = geteuid();
    gid_t gid = getegid();
    if (unshare(uid == 0 ? CLONE_NEWNS : CLONE_NEWNS | CLONE_NEWUSER) < 0) return ErrnoError(errno, "unshare");
    if (uid != 0) {
      BK_RETURN_IF_ERROR(os::WriteFile("/proc/self/setgroups", "deny", 0644));
      BK_RETURN_IF_ERROR(os::WriteFile("/proc/self/uid_map", StrCat("0 ", uid, " 1"), 0644));
      BK_RETURN_IF_ERROR(os::WriteFile("/proc/self/gid_map", StrCat("0 ", gid, " 1"), 0644));
    }
    if (mount("", "/", "", MS_PRIVATE | MS_REC, "") < 0) return ErrnoError(errno, "make mounts private");
    return absl::OkStatus();
  }();
  return status;
}

}  // namespace bk::golden::exec
