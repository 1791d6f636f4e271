// buildkitd: reads its settings, starts itself under the launcher if an ordinary user started it, and runs the daemon.
#include <sys/signalfd.h>
#include <sys/stat.h>

#include <csignal>
#include <cstdio>

#include "base/log.h"
#include "base/os/unique_fd.h"
#include "daemon/app/allocator.h"
#include "daemon/app/daemon.h"
#include "daemon/app/self_start.h"
#include "daemon/config/config.h"

namespace {

int Fail(const absl::Status& status) {
  std::fprintf(stderr, "buildkitd: %s\n", bk::Message(status).c_str());
  return 1;
}

absl::Status ConfigureLog(const bk::config::Config& config) {
  BK_TRY(bk::log::Level level, bk::log::ParseLevel(config.log_level));
  bk::log::Configure(level, config.log_format == "json" ? bk::log::Format::kJson : bk::log::Format::kText);
  return absl::OkStatus();
}

}  // namespace

int main(int argc, char** argv) {
  using namespace bk;
  std::vector<std::string> args(argv + 1, argv + argc);
  config::Surroundings here = config::Surroundings::OfThisProcess();
  bool self_start = here.euid != 0;
  if (self_start) here = app::UnderLauncher(here);
  auto parsed = config::Parse(args, here);
  if (!parsed.ok()) return Fail(parsed.status());
  if (!parsed->print.empty()) {
    std::fputs(parsed->print.c_str(), stdout);
    return 0;
  }
  if (self_start) return Fail(app::StartUnderLauncher(args, here, parsed->config));

  if (absl::Status status = ConfigureLog(parsed->config); !status.ok()) return Fail(status);
  umask(0);
  // Before any thread starts: all inherit the mask, and only RunUntilSignal sees these signals.
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGTERM);
  sigaddset(&set, SIGINT);
  pthread_sigmask(SIG_BLOCK, &set, nullptr);
  signal(SIGPIPE, SIG_IGN);
  app::StartAllocator();
  os::UniqueFd signals(signalfd(-1, &set, SFD_CLOEXEC));

  auto daemon = app::Daemon::Start(parsed->config);
  if (!daemon.ok()) return Fail(daemon.status());
  (*daemon)->RunUntilSignal(signals.get());
  return 0;
}
