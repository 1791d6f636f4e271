#include "sandbox/exec/leftovers.h"

#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <climits>
#include <cstdlib>

#include "base/log.h"
#include "base/os/file.h"
#include "base/os/unmount_below.h"
#include "sandbox/exec/cgroup.h"

namespace bk::exec {
namespace {

constexpr char kRuntimeState[] = "runtime";  // of a rootless runtime
constexpr int kKillRounds = 100;
constexpr std::chrono::milliseconds kKillPause(5);

// A step that was over when the daemon crashed.
void RemoveOver(const std::vector<Runtime>& runtimes, const std::string& id, const std::string& note) {
  for (const Runtime& runtime : runtimes) runtime.Delete(id, true);
  std::string cgroup = os::ReadFile(note, PATH_MAX).value_or("");
  if (!RemoveStepCgroup(cgroup)) log::Warning("a control group of a crashed daemon's step cannot be removed", {{"cgroup", cgroup}});
  unlink(note.c_str());
}

bool IsBundle(const std::string& path) { return os::Exists(path + "/config.json") || os::Exists(path + "/rootfs"); }

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

bool HasBundles(const std::string& root) {
  for (const std::string& name : os::ListDir(root).value_or(std::vector<std::string>())) {
    if (IsBundle(StrCat(root, "/", name))) return true;
  }
  return false;
}

absl::Status RemoveLeftovers(const std::vector<Runtime>& runtimes, const std::string& root) {
  BK_TRY(std::vector<std::string> names, os::ListDir(root));
  for (const std::string& name : names) {
    std::string path = StrCat(root, "/", name);
    struct stat st;
    if (lstat(path.c_str(), &st) < 0) continue;
    if (!S_ISDIR(st.st_mode)) {
      if (name.ends_with(kOverSuffix)) RemoveOver(runtimes, name.substr(0, name.size() - kOverSuffix.size()), path);
      if (name.starts_with("hosts.") || name.ends_with(".tmp")) unlink(path.c_str());
      continue;
    }
    if (!IsBundle(path)) {
      if (name != kRuntimeState) rmdir(path.c_str());  // a bundle as it begins and ends; what has files is none
      continue;
    }
    for (const Runtime& runtime : runtimes) runtime.Delete(name, true);
    KillProcessesBelow(path + "/rootfs");
    std::string cgroup = CgroupPathOfBundle(path);
    if (!RemoveStepCgroup(cgroup)) log::Warning("a control group of a crashed daemon's step cannot be removed", {{"cgroup", cgroup}});
    if (!os::UnmountBelow(path)) return FailedPrecondition("cannot unmount what a crashed daemon left in ", Quote(path), " (unmount it by hand)");
    BK_RETURN_IF_ERROR(os::RemoveAll(path));
    log::Info("removed a step that an earlier daemon left", {{"id", name}});
  }
  return absl::OkStatus();
}

}  // namespace bk::exec
