// The only place that starts processes. Children never inherit descriptors but those named, and die with the caller's
// wish (SIGKILL to the group) at the latest when the handle ends.
//
// Between fork and exec only async-signal-safe calls run. Waiting uses a pidfd, so it can be cancelled and polled.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <string>
#include <utility>
#include <vector>

#include "base/cancel.h"
#include "base/os/unique_fd.h"

namespace bk::os {

struct ExitStatus {
  int code = 0;    // exit code, when signal == 0
  int signal = 0;  // the signal that ended it
  bool success() const { return code == 0 && signal == 0; }
  int ShellCode() const { return signal != 0 ? 128 + signal : code; }
};

struct ProcessOptions {
  std::vector<std::string> argv;  // argv[0] is looked up in PATH unless it has a slash
  std::vector<std::string> env;   // KEY=VALUE; used only with `replace_env`
  bool replace_env = false;
  std::string root;                            // chroot(2) of the child, which starts at its top; argv[0] is then a path in it, not looked up. Empty: the caller's
  std::string cwd;                             // empty: the caller's
  std::vector<std::pair<int, int>> fds;        // (ours, number in the child); 0, 1, 2 default to /dev/null
  bool inherit_stdio = false;                  // 0, 1, 2 not in `fds` are the caller's
  bool new_session = true;                     // setsid, so that KillGroup reaches all of it
  int parent_death_signal = 0;                 // prctl(PR_SET_PDEATHSIG); beware: it follows the *thread* that started it
  uint64_t clone_flags = 0;                    // CLONE_NEW… namespaces for the child
  bool reset_signals = true;                   // default dispositions, empty mask
  bool keep_ignored = false;                   // with reset_signals: what the caller ignores (nohup) stays ignored
  int umask = -1;                              // of the child; -1: the caller's
  uint64_t max_file_bytes = 0;                 // RLIMIT_FSIZE of the child, whose writes beyond it fail with EFBIG; 0: the caller's
};

// A running child. The destructor kills its group and reaps it.
class Process {
 public:
  // NotFound if the program does not exist; the error names it.
  static absl::StatusOr<Process> Start(const ProcessOptions& options);
  Process() = default;
  Process(Process&&) noexcept;
  Process& operator=(Process&&) noexcept;
  ~Process();

  pid_t pid() const { return pid_; }
  int pidfd() const { return pidfd_.get(); }
  bool running() const { return pid_ > 0; }
  // Blocks until it ends; on cancellation returns the cause and leaves the process running.
  absl::StatusOr<ExitStatus> Wait(const CancelToken& cancel);
  // DeadlineExceeded when it did not end in time.
  absl::StatusOr<ExitStatus> WaitFor(std::chrono::milliseconds timeout);
  void Kill(int signal);       // the process
  void KillGroup(int signal);  // its whole session group (new_session)
  // Gives up the handle without killing.
  pid_t Detach();

 private:
  pid_t pid_ = -1;
  bool own_group_ = false;
  UniqueFd pidfd_;
};

struct Output {
  ExitStatus status;
  std::string out;
  std::string err;
};
// Runs to the end and collects stdout and stderr (each at most 16 MiB). Kills it on cancellation.
absl::StatusOr<Output> Run(const CancelToken& cancel, ProcessOptions options, std::string_view input = {});

// Path of `name` in $PATH (or itself when it has a slash); NotFound otherwise.
absl::StatusOr<std::string> FindProgram(const std::string& name);

struct Pipe {
  UniqueFd read;
  UniqueFd write;
};
absl::StatusOr<Pipe> MakePipe();  // close-on-exec

}  // namespace bk::os
