#include "sandbox/exec/step_io.h"

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <cerrno>

#include "base/os/process.h"
#include "base/os/pty.h"

namespace bk::exec {
namespace {

absl::StatusOr<os::UniqueFd> Duplicate(const os::UniqueFd& fd) {
  os::UniqueFd copy(fcntl(fd.get(), F_DUPFD_CLOEXEC, 0));
  if (!copy) return ErrnoError(errno, "dup");
  return copy;
}

}  // namespace

absl::StatusOr<std::shared_ptr<StepIo>> StepIo::Make(const Stdio& stdio, bool tty) {
  std::shared_ptr<StepIo> io(new StepIo(stdio));
  BK_RETURN_IF_ERROR(tty ? io->MakeTerminal() : io->MakePipes());
  return io;
}

StepIo::~StepIo() { Stop(); }

absl::Status StepIo::MakePipes() {
  if (stdio_.stdin_fd < 0) {
    BK_TRY(os::Pipe pipe, os::MakePipe());
    child_[0] = std::move(pipe.read);  // its other end is closed here: the step reads an end at once
  }
  int given[] = {stdio_.stdout_fd, stdio_.stderr_fd};
  for (int stream = 0; stream < 2; stream++) {
    if (given[stream] >= 0) continue;
    BK_TRY(os::Pipe pipe, os::MakePipe());
    output_[stream] = std::move(pipe.read);
    child_[stream + 1] = std::move(pipe.write);
  }
  return absl::OkStatus();
}

absl::Status StepIo::MakeTerminal() {
  BK_TRY(os::Pty pty, os::OpenPty());
  master_ = std::move(pty.master);
  child_[0] = std::move(pty.slave);
  for (int stream : {1, 2}) BK_ASSIGN(child_[stream], Duplicate(child_[0]));
  BK_ASSIGN(output_[0], Duplicate(master_));
  BK_TRY(os::Pipe stop, os::MakePipe());
  stop_read_ = std::move(stop.read);
  stop_write_ = std::move(stop.write);
  return absl::OkStatus();
}

std::vector<std::pair<int, int>> StepIo::fds() const {
  return {{child_[0] ? child_[0].get() : stdio_.stdin_fd, 0},
          {child_[1] ? child_[1].get() : stdio_.stdout_fd, 1},
          {child_[2] ? child_[2].get() : stdio_.stderr_fd, 2}};
}

absl::Status StepIo::Begin() {
  for (os::UniqueFd& fd : child_) fd.Reset();
  BK_ASSIGN(pump_, OutputPump::Start(std::move(output_[0]), std::move(output_[1]), stdio_.output));
  if (!master_ || stdio_.stdin_fd < 0) return absl::OkStatus();
  BK_TRY(os::UniqueFd terminal, Duplicate(master_));
  typist_ = std::thread([this, terminal = std::move(terminal)]() mutable { Type(std::move(terminal)); });
  return absl::OkStatus();
}

void StepIo::Stop() {
  stop_write_.Reset();
  if (typist_.joinable()) typist_.join();
  if (pump_ != nullptr) pump_->Stop();
}

bool StepIo::Resize(uint16_t rows, uint16_t columns) const {
  if (!master_) return false;
  os::SetWindowSize(master_.get(), rows, columns).IgnoreError();
  return true;
}

// From the caller's descriptor to the terminal (which does not block: the pump has seen to that).
void StepIo::Type(os::UniqueFd terminal) {
  auto wait = [&](int fd, short events) {
    pollfd waits[2] = {{fd, events, 0}, {stop_read_.get(), POLLIN, 0}};
    while (poll(waits, 2, -1) < 0 && errno == EINTR) {
    }
    return waits[1].revents == 0;
  };
  char buffer[4096];
  while (wait(stdio_.stdin_fd, POLLIN)) {
    ssize_t n = read(stdio_.stdin_fd, buffer, sizeof buffer);
    if (n < 0 && (errno == EINTR || errno == EAGAIN)) continue;
    if (n <= 0) return;
    for (ssize_t done = 0; done < n;) {
      ssize_t put = write(terminal.get(), buffer + done, static_cast<size_t>(n - done));
      if (put > 0) done += put;
      if (put < 0 && errno != EINTR && errno != EAGAIN) return;
      if (done < n && !wait(terminal.get(), POLLOUT)) return;
    }
  }
}

}  // namespace bk::exec
