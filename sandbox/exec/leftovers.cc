#include "sandbox/exec/leftovers.h"

#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>

#include "base/log.h"
#include "base/os/file.h"
#include "base/os/mount.h"
#include "sandbox/exec/cgroup.h"

namespace bk::exec {
namespace {

constexpr int kKillRounds = 100;
constexpr std::chrono::milliseconds kKillPause(5);

bool IsBelow(const std::string& path, const std::string& dir) { return path.starts_with(dir) && (path.size() == dir.size() || path[dir.size()] == '/'); }

}  // namespace

void KillProcessesBelow(const std::string& rootfs) {
  struct stat root;
  if (stat(rootfs.c_str(), &root) < 0) return;
  for (int round = 0; round < kKillRounds; round++) {
    auto names = os::ListDir("/proc");
    if (!names.ok()) return;
    int killed = 0;
    for (const std::string& name : *names) {
      pid_t pid = std::atoi(name.c_str());
      if (pid <= 0 || pid == getpid()) continue;
      struct stat st;
      if (stat(StrCat("/proc/", name, "/root/.").c_str(), &st) < 0 || st.st_dev != root.st_dev || st.st_ino != root.st_ino) continue;
      kill(pid, SIGKILL);
      killed++;
    }
    if (killed == 0) return;
    CancelToken::Never().SleepFor(kKillPause).IgnoreError();
  }
}

bool UnmountBelow(const std::string& dir) {
  auto mounts = os::ReadMountInfo();
  if (!mounts.ok()) return false;
  std::reverse(mounts->begin(), mounts->end());  // later mounts may stand on earlier ones
  bool all = true;
  for (const os::MountInfo& mount : *mounts) {
    if (!IsBelow(mount.mount_point, dir)) continue;
    all = (os::UnmountAll(mount.mount_point).ok() || os::UnmountAll(mount.mount_point, true).ok()) && all;
  }
  return all;
}

absl::Status RemoveLeftovers(const Runtime& runtime, const std::string& root) {
  BK_TRY(std::vector<std::string> names, os::ListDir(root));
  for (const std::string& name : names) {
    std::string path = StrCat(root, "/", name);
    struct stat st;
    if (lstat(path.c_str(), &st) < 0) continue;
    if (!S_ISDIR(st.st_mode)) {
      if (name.starts_with("hosts.") || name.ends_with(".tmp")) unlink(path.c_str());
      continue;
    }
    if (!os::Exists(path + "/config.json") && !os::Exists(path + "/rootfs")) continue;  // no bundle
    runtime.Delete(name, true);
    KillProcessesBelow(path + "/rootfs");
    std::string cgroup = CgroupPathOfBundle(path);
    if (!RemoveStepCgroup(cgroup)) log::Warning("a control group of a crashed daemon's step cannot be removed", {{"cgroup", cgroup}});
    if (!UnmountBelow(path)) return FailedPrecondition("cannot unmount what a crashed daemon left in ", Quote(path), " (unmount it by hand)");
    BK_RETURN_IF_ERROR(os::RemoveAll(path));
    log::Info("removed a step that an earlier daemon left", {{"id", name}});
  }
  return absl::OkStatus();
}

}  // namespace bk::exec
