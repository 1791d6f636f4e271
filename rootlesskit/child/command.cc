#include "rootlesskit/child/command.h"

#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <optional>

#include "base/go_parse.h"
#include "base/os/process.h"
#include "base/os/reaper.h"
#include "rootlesskit/stage/report.h"
#include "rootlesskit/stage/signals.h"

namespace bk::rootlesskit {
namespace {

constexpr int kFirstListenFd = 3;

int TakeListenFds() {
  const char* text = getenv(kListenFdsEnv);
  int count = text == nullptr ? 0 : static_cast<int>(ParseInt(text, 10, 16).value_or(0));
  unsetenv(kListenFdsEnv);
  return count;
}

absl::StatusOr<os::Process> StartCommand(const std::vector<std::string>& command, int listen_fds) {
  if (command[0].find('/') == std::string::npos) BK_RETURN_IF_ERROR(os::FindProgram(command[0]));
  os::ProcessOptions start;
  start.argv = command;
  start.inherit_stdio = true;
  start.new_session = false;
  start.keep_ignored = true;
  start.parent_death_signal = SIGKILL;
  for (int i = 0; i < listen_fds; i++) start.fds.emplace_back(kFirstListenFd + i, kFirstListenFd + i);
  if (listen_fds > 0) {
    setenv(kActivateEnv, "1", 1);
    start.argv = {"/proc/self/exe", "--"};
    start.argv.insert(start.argv.end(), command.begin(), command.end());
  }
  auto process = os::Process::Start(start);
  if (process.ok()) return process;
  std::string message = Message(process.status());
  size_t colon = message.rfind(": ");  // `start "x": permission denied`
  return Unknown("fork/exec ", command[0], ": ", colon == std::string::npos ? message : message.substr(colon + 2));
}

// The status of the command if it has ended; reaps all that have, unless the reaper is switched off.
std::optional<int> CommandEnd(pid_t pid, bool reap_all) {
  if (reap_all) return os::ReapEnded(pid);
  int status;
  return waitpid(pid, &status, WNOHANG) == pid ? std::optional<int>(status) : std::nullopt;
}

}  // namespace

absl::StatusOr<int> RunCommand(const Options& options, const Channel& channel) {
  BK_TRY(SignalQueue signals, SignalQueue::Block());
  if (!options.pidns) BK_RETURN_IF_ERROR(os::BecomeSubreaper());
  BK_TRY(os::Process process, StartCommand(options.command, TakeListenFds()));
  pid_t pid = process.Detach();  // reaped by its pid below
  bool reap_all = !options.pidns || options.reap();
  std::optional<int> end;
  while (!end) {
    pollfd waits[2] = {{signals.fd(), POLLIN, 0}, {channel.fd(), POLLIN, 0}};
    if (poll(waits, 2, -1) < 0 && errno != EINTR) return ErrnoError(errno, "poll");
    if (waits[1].revents != 0) break;  // nothing is sent any more: the parent has ended
    while (auto signal = signals.Next()) {
      if (signal->ssi_signo == SIGCHLD) continue;
      PassOn(*signal, pid);
    }
    end = CommandEnd(pid, reap_all);
  }
  // The first process of a PID namespace takes the others with it by itself (pid_namespaces(7)).
  if (!options.pidns) os::EndDescendants();
  if (!end) return Unavailable("the parent has ended");
  return *end;
}

absl::Status ActivateCommand(const std::vector<std::string>& command) {
  if (command.empty()) return InvalidArgument("no command specified");
  unsetenv(kActivateEnv);
  setenv("LISTEN_PID", StrCat(getpid()).c_str(), 1);
  std::vector<char*> argv;
  for (const std::string& word : command) argv.push_back(const_cast<char*>(word.c_str()));
  argv.push_back(nullptr);
  execvp(argv[0], argv.data());
  return Unknown("fork/exec ", command[0], ": ", ErrnoText(errno));
}

}  // namespace bk::rootlesskit
