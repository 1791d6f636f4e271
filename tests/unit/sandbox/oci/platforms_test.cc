// Runs the least programs for real. An emulator is played by busybox's `true` in a user namespace of its own, whose kernel
// has a binfmt_misc of its own (Linux 6.7; not tried on older ones).
#include "sandbox/oci/platforms.h"

#include <sched.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>

#include <doctest/doctest.h>

#include "base/os/file.h"
#include "base/os/process.h"

namespace bk::oci {
namespace {

std::vector<std::string> Names(const std::vector<Platform>& platforms) {
  std::vector<std::string> names;
  for (const Platform& platform : platforms) names.push_back(FormatPlatform(platform));
  return names;
}

bool Has(const std::vector<std::string>& names, const std::string& name) { return std::find(names.begin(), names.end(), name) != names.end(); }

// The exit code of `f` in a child with a user namespace (root there) and a mount namespace of its own; 99: they cannot be made.
template <typename F>
int InOwnNamespaces(F f) {
  const uid_t uid = geteuid(), gid = getegid();
  pid_t pid = fork();
  if (pid == 0) {
    bool made = unshare(CLONE_NEWUSER | CLONE_NEWNS) == 0 && os::WriteFile("/proc/self/setgroups", "deny", 0644).ok() &&
                os::WriteFile("/proc/self/uid_map", StrCat("0 ", uid, " 1"), 0644).ok() && os::WriteFile("/proc/self/gid_map", StrCat("0 ", gid, " 1"), 0644).ok();
    _exit(made ? f() : 99);
  }
  int status = 0;
  waitpid(pid, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 98;
}

TEST_CASE("platforms: the host's is first, and its own least program runs") {  // WRK-002
  std::vector<std::string> names = Names(SupportedPlatforms());
  REQUIRE(!names.empty());
  CHECK(names[0] == FormatPlatform(HostPlatform()));
  os::TempDir dir = os::TempDir::Make("least-").value();
  std::string program = LeastProgram(HostPlatform().architecture);
  REQUIRE(!program.empty());
  REQUIRE(os::WriteFile(dir.path() + "/least", program, 0700).ok());
  auto ended = os::Run(CancelToken::Never(), {.argv = {dir.path() + "/least"}});
  REQUIRE_MESSAGE(ended.ok(), Message(ended.status()));
  CHECK(ended->status.success());
  CHECK(LeastProgram("pdp11").empty());
}

TEST_CASE("platforms: levels of x86-64 are those that the processor's flags tell") {  // EXE-035
  if (HostPlatform().architecture != "amd64") return;
  std::string flags = os::ReadFile("/proc/cpuinfo", 64 << 20).value();
  auto has = [&](const char* flag) { return flags.find(StrCat(" ", flag, " ")) != std::string::npos; };
  std::vector<std::string> names = Names(SupportedPlatforms());
  CHECK(Has(names, "linux/amd64/v2") == (has("sse4_2") && has("popcnt") && has("ssse3") && has("cx16")));
  CHECK(Has(names, "linux/amd64/v3") == (has("avx2") && has("bmi2") && has("fma") && has("movbe")));
  CHECK(Has(names, "linux/amd64/v4") == (has("avx512f") && has("avx512bw") && has("avx512vl") && has("avx512dq")));
}

TEST_CASE("platforms: what an emulator runs is offered") {  // EXE-035
  os::TempDir dir = os::TempDir::Make("emulator-").value();
  REQUIRE(os::MakeDirs(dir.path() + "/binfmt", 0755).ok());
  REQUIRE(symlink("/bin/busybox", (dir.path() + "/true").c_str()) == 0);
  REQUIRE(symlink("/bin/busybox", (dir.path() + "/false").c_str()) == 0);
  int result = InOwnNamespaces([&] {
    if (mount("binfmt_misc", (dir.path() + "/binfmt").c_str(), "binfmt_misc", 0, "") < 0) return 97;
    // By the class, byte order and machine of the header.
    auto emulate = [&](const char* name, const char* machine, const char* with) {
      std::string rule = StrCat(":", name, ":M::\\x7fELF\\x02\\x01\\x01\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x02\\x00\\x", machine, "\\x00::", dir.path(), "/", with, ":F");
      return os::WriteFile(dir.path() + "/binfmt/register", rule, 0200).ok();
    };
    if (!emulate("works", "b7", "true") || !emulate("fails", "f3", "false")) return 1;
    std::vector<std::string> names = Names(SupportedPlatforms());
    if (!Has(names, "linux/arm64") || Has(names, "linux/riscv64") || Has(names, "linux/ppc64le")) return 2;
    return RunsProgramsOf("arm64") && !RunsProgramsOf("riscv64") && !RunsProgramsOf("pdp11") ? 0 : 3;
  });
  if (result == 97 || result == 99) {
    MESSAGE("no binfmt_misc in user namespaces here");
    return;
  }
  CHECK(result == 0);
}

}  // namespace
}  // namespace bk::oci
