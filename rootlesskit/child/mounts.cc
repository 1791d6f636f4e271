#include "rootlesskit/child/mounts.h"

#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include <cerrno>

#include "base/os/file.h"
#include "base/os/unique_fd.h"
#include "rootlesskit/stage/report.h"

namespace bk::rootlesskit {
namespace {

constexpr char kCgroupDir[] = "/sys/fs/cgroup";

struct PropagationWord {
  std::string_view word;
  unsigned long flags;
};
constexpr PropagationWord kPropagations[] = {
    {"private", MS_PRIVATE}, {"rprivate", MS_REC | MS_PRIVATE}, {"shared", MS_SHARED},
    {"rshared", MS_REC | MS_SHARED}, {"slave", MS_SLAVE}, {"rslave", MS_REC | MS_SLAVE},
};

absl::Status Mount(const char* type, const char* target, unsigned long flags = 0) {
  if (mount("none", target, type, flags, "") < 0) return ErrnoError(errno, StrCat("mount ", type, " on ", target));
  return absl::OkStatus();
}

// A read-only mount is allowed where the host's own is read-only (user_namespaces(7), "mount_too_revealing").
bool MountOrReadOnly(const char* type, const char* target) {
  auto status = Mount(type, target);
  if (status.ok()) return true;
  Warn(StrCat("failed to mount ", type, ", falling back to read-only mount: ", Message(status)));
  status = Mount(type, target, MS_RDONLY);
  if (!status.ok()) Warn(StrCat("failed to mount ", type, ": ", Message(status)));
  return status.ok();
}

// cgroup2 may not be mounted over another one's root (EBUSY), so a tmpfs goes between; where the mount is refused
// nothing is left changed.
void ShowCgroup2Alone() {
  auto status = Mount("tmpfs", kCgroupDir);
  if (status.ok()) {
    status = Mount("cgroup2", kCgroupDir);
    if (!status.ok()) umount2(kCgroupDir, MNT_DETACH);
  }
  if (!status.ok()) Warn(StrCat("the host's cgroups stay at ", kCgroupDir, ": ", Message(status), " (crun will not work where they are v1)"));
}

}  // namespace

absl::Status SetPropagation(const std::string& propagation) {
  for (const PropagationWord& known : kPropagations) {
    if (propagation != known.word) continue;
    if (mount("none", "/", "", known.flags, "") < 0) return ErrnoError(errno, StrCat("set propagation ", propagation, " of /"));
  }
  return absl::OkStatus();
}

void MountProc() { MountOrReadOnly("proc", "/proc"); }

absl::Status MountSys(const Options& options) {
  if (!options.host_network()) {
    // The host's cgroups, held while a new sysfs hides them.
    os::UniqueFd cgroups(open_tree(AT_FDCWD, kCgroupDir, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE));
    if (MountOrReadOnly("sysfs", "/sys") && !options.cgroupns && cgroups &&
        move_mount(cgroups.get(), "", AT_FDCWD, kCgroupDir, MOVE_MOUNT_F_EMPTY_PATH) < 0) {
      return ErrnoError(errno, StrCat("put the host's cgroups back on ", kCgroupDir));
    }
  }
  if (options.cgroupns && os::Exists(kCgroupDir)) ShowCgroup2Alone();
  return absl::OkStatus();
}

}  // namespace bk::rootlesskit
