// Real steps with the machine's runtimes. Needs: root (or a launcher's user namespace), runc, crun, /bin/busybox
// (busybox-static); crun's case makes a mount namespace with cgroup2 alone first.
#include "sandbox/exec/runtime_executor.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <thread>

#include <doctest/doctest.h>

#include "base/os/file.h"
#include "base/os/mount.h"
#include "sandbox/oci/host.h"
#include "tests/unit/sandbox/exec/world.h"

namespace bk::exec {
namespace {

// Runs `f` in a child process of its own mount namespace where only cgroup2 is at /sys/fs/cgroup.
template <typename F>
int WithCgroup2(F f) {
  pid_t pid = fork();
  if (pid == 0) {
    bool ready = unshare(CLONE_NEWNS | CLONE_NEWCGROUP) == 0 && mount("", "/", "", MS_PRIVATE | MS_REC, "") == 0;
    umount2("/sys/fs/cgroup", MNT_DETACH);
    ready = ready && mount("cgroup2", "/sys/fs/cgroup", "cgroup2", 0, "") == 0;
    _exit(ready ? f() : 99);
  }
  int status = 0;
  waitpid(pid, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 98;
}

int64_t Milliseconds(std::chrono::steady_clock::time_point since) {
  return std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now() - since).count();
}

TEST_CASE("runc: a step's streams, exit code and user") {
  World world;
  world.options.binary = "runc";
  auto executor = MakeRuntimeExecutor(world.options);
  REQUIRE_MESSAGE(executor.ok(), Message(executor.status()));
  Collected out;
  auto exit = world.Run(**executor, "echo out; echo err >&2; id -u; exit 7", out, {}, CancelToken::Never(), [](ProcessSpec& p) { p.user = "12:34"; });
  REQUIRE_MESSAGE(exit.ok(), Message(exit.status()));
  CHECK(exit->code == 7);
  CHECK(out.get(1) == "out\n12\n");
  CHECK(out.get(2) == "err\n");
  executor->reset();
  world.CheckClean(false);
}

TEST_CASE("runc: all of a large output arrives") {
  World world;
  world.options.binary = "runc";
  auto executor = MakeRuntimeExecutor(world.options);
  REQUIRE_MESSAGE(executor.ok(), Message(executor.status()));
  Collected out;
  REQUIRE(world.Run(**executor, "dd if=/dev/zero bs=65536 count=100 2>/dev/null", out).ok());
  CHECK(out.get(1).size() == 6553600);
}

TEST_CASE("runc: mounts, selectors and stubs") {
  World world;
  world.options.binary = "runc";
  std::string data = world.dir.path() + "/data";
  REQUIRE(os::MakeDirs(data + "/sub", 0755).ok());
  REQUIRE(os::WriteFile(data + "/sub/file", "text", 0644).ok());
  REQUIRE(symlink("/sub/file", (data + "/link").c_str()) == 0);
  auto executor = MakeRuntimeExecutor(world.options);
  REQUIRE_MESSAGE(executor.ok(), Message(executor.status()));
  std::vector<StepMount> mounts = {
      {"/m/dir", {{"bind", data, {"rbind", "ro"}}}, "sub", true},
      {"/m/file", {{"bind", data, {"rbind"}}}, "/link", true},
      {"/m/tmp", {{"tmpfs", "tmpfs", {"nosuid"}}}, "", false},
      {"rel", {{"overlay", "overlay", {"lowerdir=" + data + ":" + world.rootfs}}}, "", true},
  };
  Collected out;
  auto exit = world.Run(**executor, "cat /m/dir/file /m/file /rel/sub/file; touch /m/dir/x 2>/dev/null && echo written; touch /m/tmp/x && echo tmp; touch /made", out, mounts);
  REQUIRE_MESSAGE(exit.ok(), Message(exit.status()));
  CHECK(out.get(1) == "texttexttexttmp\n");
  CHECK(out.get(2) == "");
  CHECK(os::Exists(world.rootfs + "/made"));
  CHECK(os::Exists(world.rootfs + "/m"));  // only the targets themselves go
  CHECK(!os::Exists(world.rootfs + "/m/dir"));
  CHECK(!os::Exists(world.rootfs + "/rel"));
  CHECK(!os::Exists(world.rootfs + "/etc/hosts"));
  world.CheckClean();
}

TEST_CASE("runc: a failing set-up leaves nothing") {
  World world;
  world.options.binary = "runc";
  auto executor = MakeRuntimeExecutor(world.options);
  REQUIRE_MESSAGE(executor.ok(), Message(executor.status()));
  Collected out;
  auto missing = world.Run(**executor, ":", out, {{"/m", {{"bind", world.rootfs, {"rbind"}}}, "nosuch", true}});
  CHECK(absl::IsNotFound(missing.status()));
  auto user = world.Run(**executor, ":", out, {}, CancelToken::Never(), [](ProcessSpec& p) { p.user = "nobody-here"; });
  CHECK(Message(user.status()) == "unable to find user nobody-here: no matching entries in passwd file");
  auto id = (*executor)->Run(CancelToken::Never(), "../x", world.root(), {}, ProcessSpec(), Stdio());
  CHECK(absl::IsInvalidArgument(id.status()));
  world.CheckClean();
}

TEST_CASE("runc: a cancelled step ends, with everything that it began, and leaves nothing") {
  for (bool sandbox : {true, false}) {
    World world;
    world.options.binary = "runc";
    world.options.process_sandbox = sandbox;
    auto executor = MakeRuntimeExecutor(world.options);
    REQUIRE_MESSAGE(executor.ok(), Message(executor.status()));
    CancelSource source;
    Collected out;
    std::chrono::steady_clock::time_point cancelled;
    Stdio stdio = out.stdio();
    stdio.output = [&](int, std::string_view) {  // the step says that it runs
      cancelled = std::chrono::steady_clock::now();
      source.Cancel();
    };
    ProcessSpec process;
    process.args = {"/bin/sh", "-c", "sleep 1000 & echo ready; sleep 1000"};
    process.env = {std::string("PATH=") + kDefaultPath};
    process.cwd = "/";
    auto exit = (*executor)->Run(source.token(), "", world.root(), {}, process, stdio);
    CHECK(absl::IsCancelled(exit.status()));
    CHECK(Milliseconds(cancelled) < 10000);
    world.CheckClean();
  }
}

TEST_CASE("runc: without a process sandbox nothing outlives the step") {
  World world;
  world.options.binary = "runc";
  world.options.process_sandbox = false;
  auto executor = MakeRuntimeExecutor(world.options);
  REQUIRE_MESSAGE(executor.ok(), Message(executor.status()));
  Collected out;
  auto started = std::chrono::steady_clock::now();
  auto exit = world.Run(**executor, "sleep 1000 >/dev/null 2>&1 & echo $!", out);
  REQUIRE_MESSAGE(exit.ok(), Message(exit.status()));
  CHECK(Milliseconds(started) < 20000);
  std::string pid = out.get(1).substr(0, out.get(1).find('\n'));
  CHECK(!os::ReadLink("/proc/" + pid + "/exe").ok());  // gone, or a zombie that its new parent has yet to see
  world.CheckClean();
}

TEST_CASE("runc: network none leads nowhere, for a step that asks for it or by the daemon's choice") {
  for (bool by_daemon : {false, true}) {
    World world;
    world.options.binary = "runc";
    world.options.no_network = by_daemon;
    auto executor = MakeRuntimeExecutor(world.options);
    REQUIRE_MESSAGE(executor.ok(), Message(executor.status()));
    Collected out;
    auto exit = world.Run(**executor, "wc -l < /proc/net/route", out, {}, CancelToken::Never(), [&](ProcessSpec& p) {
      if (!by_daemon) p.network = NetworkMode::kNone;
    });
    REQUIRE_MESSAGE(exit.ok(), Message(exit.status()));
    CHECK(out.get(1) == "1\n");  // no route but the line of names
  }
}

TEST_CASE("bundles of a daemon that crashed are removed at the start") {
  World world;
  world.options.binary = "runc";
  std::string left = world.options.root + "/leftover";
  REQUIRE(os::MakeDirs(left + "/rootfs", 0755).ok());
  REQUIRE(os::WriteFile(left + "/config.json", "{}", 0600).ok());
  REQUIRE(os::MountAt({"bind", world.rootfs, {"rbind"}}, left + "/rootfs").ok());
  std::string begun = world.options.root + "/begun";  // killed between two mkdirs
  REQUIRE(os::MakeDirs(begun, 0711).ok());
  auto executor = MakeRuntimeExecutor(world.options);
  REQUIRE_MESSAGE(executor.ok(), Message(executor.status()));
  CHECK(!os::Exists(left));
  CHECK(!os::Exists(begun));
  CHECK(os::Exists(world.rootfs + "/bin/busybox"));
  world.CheckClean();
}

TEST_CASE("a step that an earlier daemon left running ends before the trees are swept") {
  for (bool sandbox : {true, false}) {
    World world;
    world.options.process_sandbox = sandbox;
    world.options.binary = "runc";
    CHECK(EndStepsOfEarlierDaemon(world.options).ok());  // none, not even the directory
    int ready[2];
    REQUIRE(pipe2(ready, O_CLOEXEC) == 0);
    pid_t daemon = fork();
    if (daemon == 0) {
      auto executor = MakeRuntimeExecutor(world.options);
      if (!executor.ok()) _exit(1);
      Stdio stdio;
      stdio.output = [&](int, std::string_view text) { if (write(ready[1], text.data(), text.size()) < 0) _exit(1); };
      ProcessSpec process;
      process.args = {"/bin/sh", "-c", "mkdir /d; (while :; do mkdir -p /d && : > /d/$((i=i+1)); done) & while :; do echo x; sleep 1; done"};
      process.env = {std::string("PATH=") + kDefaultPath};
      process.cwd = "/";
      (*executor)->Run(CancelToken::Never(), "", world.root(), {}, process, stdio).IgnoreError();
      _exit(1);
    }
    close(ready[1]);
    char byte;
    REQUIRE(read(ready[0], &byte, 1) == 1);
    close(ready[0]);
    kill(daemon, SIGKILL);
    waitpid(daemon, nullptr, 0);
    CHECK(os::Exists(world.rootfs + "/d"));
    absl::Status ended = EndStepsOfEarlierDaemon(world.options);
    CHECK_MESSAGE(ended.ok(), Message(ended));
    // Whoever still wrote would make it anew.
    CHECK(os::RemoveAll(world.rootfs + "/d").ok());
    CHECK(!os::Exists(world.rootfs + "/d"));
    world.CheckClean();
  }
}

TEST_CASE("a step that was over when the daemon crashed is removed from the runtime's state at the start") {
  World world;
  world.options.binary = "runc";
  std::string id = os::BaseName(world.dir.path());
  std::string state = (world.options.rootless ? world.options.root + "/runtime/runc/" : std::string("/run/runc/")) + id;
  REQUIRE(os::MakeDirs(state, 0700).ok());
  REQUIRE(os::MakeDirs(world.options.root, 0755).ok());
  REQUIRE(os::WriteFile(world.options.root + "/" + id + ".over", "/no/such/group", 0600).ok());
  auto executor = MakeRuntimeExecutor(world.options);
  REQUIRE_MESSAGE(executor.ok(), Message(executor.status()));
  CHECK(!os::Exists(state));
  CHECK(!os::Exists(world.options.root + "/" + id + ".over"));
  world.CheckClean();
}

TEST_CASE("the cgroup of all steps goes with the daemon") {
  World world;
  if (world.options.rootless) return;  // such steps have none of their own
  world.options.binary = "runc";
  world.options.cgroup_parent = "bk-test-" + os::BaseName(world.dir.path());
  auto executor = MakeRuntimeExecutor(world.options);
  REQUIRE_MESSAGE(executor.ok(), Message(executor.status()));
  Collected out;
  REQUIRE(world.Run(**executor, ":", out).ok());
  auto standing = [&] {
    int count = os::Exists("/sys/fs/cgroup/" + world.options.cgroup_parent + "/buildkit") ? 1 : 0;
    std::vector<std::string> hierarchies = os::ListDir("/sys/fs/cgroup").value();
    for (const std::string& name : hierarchies) count += os::Exists("/sys/fs/cgroup/" + name + "/" + world.options.cgroup_parent + "/buildkit") ? 1 : 0;
    return count;
  };
  CHECK(standing() > 0);
  executor->reset();
  CHECK(standing() == 0);
  // The parent is the operator's: it stays.
  std::vector<std::string> all = os::ListDir("/sys/fs/cgroup").value();
  for (const std::string& name : all) rmdir(("/sys/fs/cgroup/" + name + "/" + world.options.cgroup_parent).c_str());
  rmdir(("/sys/fs/cgroup/" + world.options.cgroup_parent).c_str());
}

TEST_CASE("a runtime that cannot work is refused with the reason and the fix") {
  World world;
  world.options.binary = "no-such-runtime";
  auto missing = MakeRuntimeExecutor(world.options);
  CHECK(absl::IsFailedPrecondition(missing.status()));
  CHECK(Message(missing.status()).find("--oci-worker-binary") != std::string::npos);
  std::string broken = world.dir.path() + "/broken";
  REQUIRE(os::WriteFile(broken, "#!/bin/sh\n[ \"$1\" = --version ] && exit 0\necho 'no way' >&2\nexit 1\n", 0755).ok());
  world.options.binary = broken;
  auto refused = MakeRuntimeExecutor(world.options);
  CHECK(absl::IsFailedPrecondition(refused.status()));
  CHECK(Message(refused.status()).find("no way") != std::string::npos);
}

TEST_CASE("crun: refused on a host with v1 cgroups, and the error says so") {
  if (oci::FindHostFacts().cgroup2_alone) return;  // the machine cannot show it
  World world;
  world.options.binary = "crun";
  auto executor = MakeRuntimeExecutor(world.options);
  CHECK(absl::IsFailedPrecondition(executor.status()));
  CHECK(Message(executor.status()).find("cgroup2 alone at /sys/fs/cgroup") != std::string::npos);
}

TEST_CASE("crun: runs where cgroup2 is alone") {
  World world;
  world.options.binary = "crun";
  int rc = WithCgroup2([&] {
    auto executor = MakeRuntimeExecutor(world.options);
    if (!executor.ok()) {
      std::fprintf(stderr, "%s\n", Message(executor.status()).c_str());
      return 1;
    }
    Collected out;
    auto exit = world.Run(**executor, "echo out; echo err >&2; exit 7", out);
    if (!exit.ok() || exit->code != 7 || out.get(1) != "out\n" || out.get(2) != "err\n") {
      std::fprintf(stderr, "%s %s %s\n", Message(exit.status()).c_str(), out.get(1).c_str(), out.get(2).c_str());
      return 2;
    }
    CancelSource source;
    Stdio stdio;
    auto cancelled = std::chrono::steady_clock::now();
    stdio.output = [&](int, std::string_view) {
      cancelled = std::chrono::steady_clock::now();
      source.Cancel();
    };
    ProcessSpec process;
    process.args = {"/bin/sh", "-c", "echo ready; sleep 1000"};
    process.env = {std::string("PATH=") + kDefaultPath};
    process.cwd = "/";
    auto ended = (*executor)->Run(source.token(), "", world.root(), {}, process, stdio);
    return absl::IsCancelled(ended.status()) && Milliseconds(cancelled) < 10000 ? 0 : 3;
  });
  CHECK(rc == 0);
  world.CheckClean();
}

}  // namespace
}  // namespace bk::exec
