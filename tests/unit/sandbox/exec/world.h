// A state directory and a root file system with busybox for steps that really run, and what they write.
//
// Needs: root (or a launcher's user namespace), /bin/busybox (busybox-static).
#pragma once

#include <unistd.h>

#include <cstdio>
#include <functional>
#include <mutex>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include "base/os/file.h"
#include "base/os/mount.h"
#include "sandbox/exec/runtime_executor.h"
#include "sandbox/oci/host.h"

namespace bk::exec {

// An ordinary user runs the program below the launcher.
inline const bool kBelowLauncher = [] {
  if (geteuid() == 0 || oci::FindHostFacts().user_namespace) return true;
  std::string self = os::ReadLink("/proc/self/exe").value();
  execlp("rootlesskit", "rootlesskit", self.c_str(), nullptr);
  std::perror("rootlesskit");
  _exit(1);
}();

struct Collected {
  std::mutex mutex;
  std::string text[3];
  Stdio stdio() {
    Stdio made;
    made.output = [this](int stream, std::string_view bytes) {
      std::lock_guard lock(mutex);
      text[stream] += bytes;
    };
    return made;
  }
  std::string get(int stream) {
    std::lock_guard lock(mutex);
    return text[stream];
  }
};

// A state directory and a root file system with busybox, removed at the end.
struct World {
  os::TempDir dir = *os::TempDir::Make("bk-exec-test-");
  std::string rootfs = dir.path() + "/base";
  RuntimeOptions options;

  World() {
    REQUIRE(kBelowLauncher);
    options.root = dir.path() + "/executor";
    options.rootless = oci::FindHostFacts().user_namespace;  // the same cases below a launcher
    REQUIRE(os::MakeDirs(rootfs + "/bin", 0755).ok());
    REQUIRE(os::MakeDirs(rootfs + "/etc", 0755).ok());
    std::string busybox = os::ReadFile("/bin/busybox").value_or("");
    REQUIRE_MESSAGE(!busybox.empty(), "busybox-static is missing");
    REQUIRE(os::WriteFile(rootfs + "/bin/busybox", busybox, 0755).ok());
    for (const char* name : {"sh", "cat", "sleep", "echo", "id", "touch", "kill", "dd", "wc", "env", "mount"}) {
      REQUIRE(symlink("busybox", (rootfs + "/bin/" + name).c_str()) == 0);
    }
  }

  std::vector<os::Mount> root() const { return {{"bind", rootfs, {"rbind"}}}; }

  absl::StatusOr<StepExit> Run(Executor& executor, const std::string& script, Collected& out, const std::vector<StepMount>& mounts = {}, const CancelToken& cancel = CancelToken::Never(),
                               std::function<void(ProcessSpec&)> change = {}) {
    ProcessSpec process;
    process.args = {"/bin/sh", "-c", script};
    process.env = {std::string("PATH=") + kDefaultPath};
    process.cwd = "/";
    if (change) change(process);
    return executor.Run(cancel, "", root(), mounts, process, out.stdio());
  }

  // Nothing of a step may be left but the shared files; while the executor lives, notes of steps that the runtime forgets just now.
  void CheckClean(bool executor_lives = true) const {
    std::vector<std::string> names = os::ListDir(options.root).value();
    for (const std::string& name : names) {
      CHECK_MESSAGE(((executor_lives && name.ends_with(".over")) || name == "resolv.conf" || name == "resolv-host.conf" || name == "hosts" || name == "runc-log.json" || name == "runtime"), name);
    }
    std::vector<os::MountInfo> mounts = os::ReadMountInfo().value();
    for (const os::MountInfo& mount : mounts) CHECK_MESSAGE(!mount.mount_point.starts_with(dir.path()), mount.mount_point);
  }
};

}  // namespace bk::exec
