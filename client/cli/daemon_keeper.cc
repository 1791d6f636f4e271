// The hidden verb behind --daemonless: parent of the private daemon, ends it when its last user is gone.
#include <fcntl.h>
#include <signal.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <thread>

#include "base/os/file.h"
#include "base/os/process.h"
#include "client/cli/daemonless.h"
#include "client/cli/verbs.h"

namespace bk::client {
namespace {

constexpr std::chrono::milliseconds kPoll(50);
// The daemon drains for ten seconds; what is still there much later is killed.
constexpr std::chrono::milliseconds kStopTimeout(30'000);

std::vector<std::string> Words(std::string_view text) {
  std::vector<std::string> words(1);
  for (char c : text) {
    if (c != ' ' && c != '\t' && c != '\n') {
      words.back() += c;
    } else if (!words.back().empty()) {
      words.emplace_back();
    }
  }
  if (words.back().empty()) words.pop_back();
  return words;
}

absl::StatusOr<os::Process> StartDaemon(const DaemonPlaces& places) {
  os::ProcessOptions options;
  // The trace socket's usual place may belong to another daemon.
  options.argv = {places.program, "--addr", places.address(), "--root", places.state_dir, "--otel-socket-path", places.run_dir + "/otel-grpc.sock"};
  const char* extra = std::getenv("BUILDKITD_FLAGS");
  for (std::string& word : Words(extra == nullptr ? "" : extra)) options.argv.push_back(std::move(word));
  options.fds = {{STDOUT_FILENO, 1}, {STDERR_FILENO, 2}};
  options.parent_death_signal = SIGTERM;  // started on the main thread, which lives as long as the process
  return os::Process::Start(options);
}

// Until the last user is gone, the daemon ended, or we are told to stop.
void WaitForTheLast(const CancelToken& cancel, int users, os::Process& daemon) {
  while (!cancel.cancelled() && flock(users, LOCK_EX | LOCK_NB) != 0) {
    if (daemon.WaitFor(kPoll).ok()) return;
  }
}

absl::Status Run(const CancelToken& cancel, const flags::Values& values) {
  if (values.args().size() != 3) return InvalidArgument("daemon-keeper is started by --daemonless");
  DaemonPlaces places{values.args()[0], values.args()[1], values.args()[2]};
  BK_TRY(os::UniqueFd keeper, os::Open(places.run_dir + "/keeper.lock", O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  if (flock(keeper.get(), LOCK_EX | LOCK_NB) != 0) return ErrnoError(errno, "another keeper runs");
  BK_TRY(os::UniqueFd users, os::Open(places.run_dir + "/users.lock", O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  BK_TRY(os::Process daemon, StartDaemon(places));
  WaitForTheLast(cancel, users.get(), daemon);
  if (!daemon.running()) return Unavailable("the daemon ended");
  daemon.Kill(SIGTERM);
  if (daemon.WaitFor(kStopTimeout).ok()) return absl::OkStatus();
  daemon.KillGroup(SIGKILL);
  (void)daemon.Wait(CancelToken::Never());
  return DeadlineExceeded("the daemon did not stop in time and was killed");
}

}  // namespace

flags::Command MakeDaemonKeeper(const CancelToken& cancel) {
  flags::Command command{"daemon-keeper", {}, "keeps the private daemon of --daemonless; not to be called by hand"};
  command.hidden = true;
  command.action = [cancel](const flags::Values& values) { return Run(cancel, values); };
  return command;
}

}  // namespace bk::client
