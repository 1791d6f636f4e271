#include "sandbox/exec/runtime_process.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>

#include "base/os/file.h"
#include "sandbox/exec/input_holders.h"

namespace bk::exec {
namespace {

constexpr std::chrono::milliseconds kFindPause(10);
constexpr int kFindRounds = 1000;

void Send(const os::UniqueFd& pidfd, int number) { syscall(SYS_pidfd_send_signal, pidfd.get(), number, nullptr, 0); }

}  // namespace

absl::StatusOr<std::shared_ptr<RuntimeProcess>> RuntimeProcess::Make(const os::Process& runtime, std::string pid_file, std::shared_ptr<const StepIo> io) {
  os::UniqueFd pidfd(fcntl(runtime.pidfd(), F_DUPFD_CLOEXEC, 0));
  if (!pidfd) return ErrnoError(errno, "dup");
  return std::shared_ptr<RuntimeProcess>(new RuntimeProcess(runtime.pid(), std::move(pidfd), std::move(pid_file), std::move(io)));
}

bool RuntimeProcess::Over() const {
  pollfd ended = {runtime_.get(), POLLIN, 0};
  return poll(&ended, 1, 0) != 0;
}

pid_t RuntimeProcess::FirstPid() const { return std::atoi(os::ReadFile(pid_file_, 64).value_or("").c_str()); }

// Empty if the runtime ended first.
os::UniqueFd RuntimeProcess::Find() const {
  for (int round = 0; round < kFindRounds && !Over(); round++) {
    pid_t pid = FirstPid();
    if (pid > 0) {
      os::UniqueFd process(static_cast<int>(syscall(SYS_pidfd_open, pid, 0)));
      if (Over()) return {};
      return process;
    }
    CancelToken::Never().SleepFor(kFindPause).IgnoreError();
  }
  return {};
}

void RuntimeProcess::Signal(int number) {
  bool known = process_.With([](const os::UniqueFd& fd) { return fd.valid(); });
  if (!known) {
    os::UniqueFd found = Find();
    process_.With([&](os::UniqueFd& fd) {
      if (!fd) fd = std::move(found);
    });
  }
  process_.With([&](const os::UniqueFd& fd) {
    if (fd) Send(fd, number);
  });
}

void RuntimeProcess::Resize(uint16_t rows, uint16_t columns) {
  if (io_->Resize(rows, columns)) Send(runtime_, SIGWINCH);
}

bool RuntimeProcess::ReadsInput() {
  pid_t first = FirstPid();
  // Over: the numbers may be other processes' by now.
  return first <= 0 || ReadsInputOf(pid_, first) || Over();
}

}  // namespace bk::exec
