#include "sandbox/exec/output_pump.h"

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <cerrno>

#include "base/os/process.h"

namespace bk::exec {

absl::StatusOr<std::unique_ptr<OutputPump>> OutputPump::Start(os::UniqueFd out, os::UniqueFd err, const std::function<void(int, std::string_view)>& receive) {
  BK_TRY(os::Pipe stop, os::MakePipe());
  std::unique_ptr<OutputPump> pump(new OutputPump);
  pump->streams_[0] = std::move(out);
  pump->streams_[1] = std::move(err);
  pump->stop_read_ = std::move(stop.read);
  pump->stop_write_ = std::move(stop.write);
  pump->receive_ = &receive;
  for (os::UniqueFd& fd : pump->streams_) {
    if (fd) fcntl(fd.get(), F_SETFL, O_NONBLOCK);
  }
  pump->thread_ = std::thread([p = pump.get()] { p->Loop(); });
  return pump;
}

OutputPump::~OutputPump() { Stop(); }

void OutputPump::Stop() {
  stop_write_.Reset();
  if (thread_.joinable()) thread_.join();
}

void OutputPump::Loop() {
  char buffer[32768];
  bool stopped = false;
  while (streams_[0] || streams_[1]) {
    pollfd waits[3] = {{streams_[0].get(), POLLIN, 0}, {streams_[1].get(), POLLIN, 0}, {stop_read_.get(), POLLIN, 0}};
    if (poll(waits, 3, stopped ? 0 : -1) < 0 && errno != EINTR) return;
    bool idle = true;
    for (int stream = 0; stream < 2; stream++) {
      if (waits[stream].revents == 0) continue;
      ssize_t n = read(streams_[stream].get(), buffer, sizeof buffer);
      if (n < 0 && (errno == EAGAIN || errno == EINTR)) continue;
      idle = false;
      if (n <= 0) {
        streams_[stream].Reset();
      } else if (*receive_) {
        (*receive_)(stream + 1, {buffer, static_cast<size_t>(n)});
      }
    }
    if (stopped && idle) return;
    stopped = stopped || waits[2].revents != 0;
  }
}

}  // namespace bk::exec
