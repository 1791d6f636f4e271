#include "daemon/app/self_start.h"

#include <unistd.h>

#include <cstdio>

#include "base/os/file.h"
#include "base/os/process.h"

namespace bk::app {
namespace {

absl::StatusOr<std::string> FindLauncher(const std::string& self) {
  std::string beside = os::JoinPath(os::DirName(self), "rootlesskit");
  if (access(beside.c_str(), X_OK) == 0) return beside;
  auto found = os::FindProgram("rootlesskit");
  if (found.ok()) return found;
  return NotFound("rootlesskit is neither beside ", Quote(self), " nor in PATH: an ordinary user needs it to start the daemon (install it, or run buildkitd as root)");
}

}  // namespace

config::Surroundings UnderLauncher(config::Surroundings surroundings) {
  surroundings.euid = 0;
  surroundings.in_user_namespace = true;
  return surroundings;
}

absl::Status StartUnderLauncher(const std::vector<std::string>& args, const config::Surroundings& surroundings, const config::Config& config) {
  BK_TRY(std::string self, os::ReadLink("/proc/self/exe"));
  BK_TRY(std::string launcher, FindLauncher(self));
  std::fprintf(stderr, "buildkitd: not root, starting under %s (a user namespace of its own)\n", launcher.c_str());
  std::vector<std::string> command = {launcher, "--net=host", "--cgroupns", self};
  command.insert(command.end(), args.begin(), args.end());
  if (!surroundings.env.contains("XDG_RUNTIME_DIR") && config.addresses == std::vector<std::string>{config::PathsFor(surroundings).address}) {
    // The default place lies in /run, which the launcher makes private.
    std::string address = StrCat("unix://", config.root, "/buildkitd.sock");
    std::fprintf(stderr, "buildkitd: XDG_RUNTIME_DIR is not set; clients find the daemon with\nexport BUILDKIT_HOST=%s\n", address.c_str());
    command.push_back("--addr=" + address);
  }
  std::vector<char*> argv;
  for (std::string& word : command) argv.push_back(word.data());
  argv.push_back(nullptr);
  execv(launcher.c_str(), argv.data());
  return ErrnoError(errno, StrCat("exec ", launcher));
}

}  // namespace bk::app
