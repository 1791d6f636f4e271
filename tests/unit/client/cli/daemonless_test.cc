// --daemonless with a daemon that only answers: who starts it, who ends it.
#include <doctest/doctest.h>
#include <signal.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>

#include "base/os/file.h"
#include "base/os/process.h"

using namespace bk;

namespace {

constexpr std::chrono::milliseconds kLong(60'000), kStep(20);

// A directory with the client and the daemon side by side, as they are installed.
class Installation {
 public:
  Installation() : temp_(*os::TempDir::Make("daemonless")) {
    REQUIRE(os::MakeDirs(temp_.path() + "/bin", 0755).ok());
    REQUIRE(os::MakeDirs(temp_.path() + "/own/state", 0700).ok());
    REQUIRE(symlink(FAKE_BUILDKITD_PATH, (temp_.path() + "/bin/buildkitd").c_str()) == 0);
    REQUIRE(os::WriteFile(buildctl(), *os::ReadFile(BUILDCTL_PATH), 0755).ok());
  }
  os::Process Build(const std::string& daemon_flags = "") {
    os::ProcessOptions options;
    options.argv = {buildctl(), "--daemonless", "build", "--frontend", "x", "--progress=quiet"};
    options.replace_env = true;
    options.env = {"HOME=" + temp_.path(), "PATH=/usr/bin:/bin", "BUILDKIT_DAEMONLESS_DIR=" + temp_.path() + "/own", "BUILDKITD_FLAGS=" + daemon_flags};
    return *os::Process::Start(options);
  }
  std::string buildctl() const { return temp_.path() + "/bin/buildctl"; }
  std::string hold() const { return temp_.path() + "/own/state/hold"; }
  void Hold() { REQUIRE(os::WriteFile(hold(), "", 0644).ok()); }
  void LetGo() { unlink(hold().c_str()); }
  size_t starts() const { return Lines("starts"); }
  size_t builds() const { return Lines("builds"); }
  // The keeper holds this lock for its life.
  bool KeeperRuns() const {
    auto fd = os::Open(temp_.path() + "/own/run/keeper.lock", O_RDWR | O_CREAT, 0600);
    return fd.ok() && flock(fd->get(), LOCK_EX | LOCK_NB) != 0;
  }

 private:
  size_t Lines(const std::string& file) const {
    std::string text = os::ReadFile(temp_.path() + "/own/state/" + file).value_or("");
    return static_cast<size_t>(std::count(text.begin(), text.end(), '\n'));
  }
  os::TempDir temp_;
};

bool Eventually(const std::function<bool()>& condition) {
  auto end = std::chrono::steady_clock::now() + kLong;
  while (!condition()) {
    if (std::chrono::steady_clock::now() > end) return false;
    (void)CancelToken::Never().SleepFor(kStep);
  }
  return true;
}

}  // namespace

TEST_CASE("a build starts the daemon beside it and leaves nothing running") {
  Installation installation;
  os::Process build = installation.Build();
  auto status = build.WaitFor(kLong);
  REQUIRE(status.ok());
  CHECK(status->success());
  CHECK(installation.starts() == 1);
  CHECK_FALSE(installation.KeeperRuns());
}

TEST_CASE("builds at the same time share one daemon, which ends with the last of them") {
  Installation installation;
  installation.Hold();
  os::Process first = installation.Build();
  os::Process second = installation.Build();
  REQUIRE(Eventually([&] { return installation.builds() == 2; }));
  first.Kill(SIGINT);
  auto cancelled = first.WaitFor(kLong);
  REQUIRE(cancelled.ok());
  CHECK(cancelled->code == 1);
  CHECK(installation.KeeperRuns());
  installation.LetGo();
  auto status = second.WaitFor(kLong);
  REQUIRE(status.ok());
  CHECK(status->success());
  CHECK(installation.starts() == 1);
  CHECK_FALSE(installation.KeeperRuns());
}

TEST_CASE("a killed client takes its daemon with it") {
  Installation installation;
  installation.Hold();
  os::Process build = installation.Build();
  REQUIRE(Eventually([&] { return installation.builds() == 1; }));
  build.Kill(SIGKILL);
  REQUIRE(build.WaitFor(kLong).ok());
  CHECK(Eventually([&] { return !installation.KeeperRuns(); }));
}

TEST_CASE("a daemon that does not start is an error with the end of its log") {
  Installation installation;
  os::ProcessOptions options;
  options.argv = {"/usr/bin/env", "HOME=/nonexistent", "BUILDKIT_DAEMONLESS_DIR=" + os::DirName(os::DirName(installation.hold())), "BUILDKITD_FLAGS=--fail",
                  installation.buildctl(), "--daemonless", "build", "--frontend", "x"};
  auto output = os::Run(CancelToken::Never(), options);
  REQUIRE(output.ok());
  CHECK(output->status.code == 1);
  CHECK(output->err.find("told to fail") != std::string::npos);
  CHECK_FALSE(installation.KeeperRuns());
}
