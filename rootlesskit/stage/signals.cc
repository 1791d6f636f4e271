#include "rootlesskit/stage/signals.h"

#include <signal.h>
#include <unistd.h>

#include <cerrno>

namespace bk::rootlesskit {

absl::StatusOr<SignalQueue> SignalQueue::Block() {
  sigset_t all;
  sigfillset(&all);
  if (sigprocmask(SIG_BLOCK, &all, nullptr) < 0) return ErrnoError(errno, "sigprocmask");
  os::UniqueFd fd(signalfd(-1, &all, SFD_CLOEXEC | SFD_NONBLOCK));
  if (!fd) return ErrnoError(errno, "signalfd");
  return SignalQueue(std::move(fd));
}

std::optional<signalfd_siginfo> SignalQueue::Next() {
  signalfd_siginfo info;
  if (read(fd_.get(), &info, sizeof info) != sizeof info) return std::nullopt;
  return info;
}

bool IsForwarded(int signal) { return signal != SIGCHLD && signal != SIGPIPE && signal != SIGURG; }

bool IsTermination(int signal) { return signal == SIGHUP || signal == SIGINT || signal == SIGQUIT || signal == SIGTERM; }

void PassOn(const signalfd_siginfo& info, pid_t pid) {
  int signal = static_cast<int>(info.ssi_signo);
  if (!IsForwarded(signal)) return;
  bool from_terminal = info.ssi_code == SI_KERNEL;
  bool stop = signal == SIGTSTP || signal == SIGTTIN || signal == SIGTTOU;
  if (!from_terminal || getpgid(pid) != getpgrp()) kill(pid, signal);
  if (from_terminal && stop) raise(SIGSTOP);
}

}  // namespace bk::rootlesskit
