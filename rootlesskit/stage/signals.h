// Signals as data: blocked, read from a descriptor, passed on to the process below.
//
// A signal that the terminal sent went to the whole foreground group, so a process of our group has it already; passing
// it on as well would deliver it twice (a daemon counts Ctrl-C). Single-threaded programs only.
#pragma once

#include <sys/signalfd.h>
#include <sys/types.h>

#include <optional>

#include "base/os/unique_fd.h"
#include "base/status.h"

namespace bk::rootlesskit {

class SignalQueue {
 public:
  // Blocks every signal of this process for good; what is ignored stays ignored and is never read.
  static absl::StatusOr<SignalQueue> Block();
  int fd() const { return fd_.get(); }
  std::optional<signalfd_siginfo> Next();  // without waiting

 private:
  explicit SignalQueue(os::UniqueFd fd) : fd_(std::move(fd)) {}
  os::UniqueFd fd_;
};

// Whether a signal is for the command at all: all but SIGCHLD, SIGPIPE and SIGURG.
bool IsForwarded(int signal);
// Sends it to `pid`, unless `pid` has it from the terminal already. A stop by the terminal stops this process too.
void PassOn(const signalfd_siginfo& signal, pid_t pid);
// SIGHUP, SIGINT, SIGQUIT, SIGTERM: what ends a set-up that is under way.
bool IsTermination(int signal);

}  // namespace bk::rootlesskit
