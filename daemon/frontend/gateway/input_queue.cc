#include "daemon/frontend/gateway/input_queue.h"

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <cerrno>

namespace bk::frontend::gateway {

absl::StatusOr<std::unique_ptr<InputQueue>> InputQueue::Make() {
  std::unique_ptr<InputQueue> queue(new InputQueue);
  BK_ASSIGN(queue->pipe_, os::MakePipe());
  BK_ASSIGN(queue->stop_, os::MakePipe());
  fcntl(queue->pipe_.write.get(), F_SETFL, O_NONBLOCK);
  queue->thread_ = std::thread([q = queue.get()] { q->Fill(); });
  return queue;
}

InputQueue::~InputQueue() {
  Over();
  thread_.join();
}

void InputQueue::Add(const CancelToken& cancel, std::string bytes) {
  CancelCallback wake(cancel, [this] { state_.Change([](State&) {}); });
  state_.WaitThen([&](const State& s) { return s.bytes.size() < kMostBytes || s.ended || s.over || cancel.cancelled(); },
                  [&](State& s) {
                    if (!s.ended && !s.over && !cancel.cancelled()) s.bytes += bytes;
                  });
  state_.Change([](State&) {});
}

void InputQueue::End() {
  state_.Change([](State& s) { s.ended = true; });
}

void InputQueue::Over() {
  bool first = state_.Change([](State& s) { return !std::exchange(s.over, true); });
  if (first) pipe_.read.Reset();
  if (first) stop_.write.Reset();  // a write that nobody reads: what the process began may hold the other end still
}

bool InputQueue::Put(std::string_view bytes) {
  while (!bytes.empty()) {
    pollfd waits[2] = {{pipe_.write.get(), POLLOUT, 0}, {stop_.read.get(), POLLIN, 0}};
    if (poll(waits, 2, -1) < 0 && errno != EINTR) return false;
    if (waits[1].revents != 0) return false;
    ssize_t n = write(pipe_.write.get(), bytes.data(), bytes.size());
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) continue;
    if (n <= 0) return false;
    bytes.remove_prefix(static_cast<size_t>(n));
  }
  return true;
}

void InputQueue::Fill() {
  while (true) {
    std::string bytes = state_.WaitThen([](const State& s) { return !s.bytes.empty() || s.ended || s.over; },
                                        [](State& s) { return s.over ? std::string() : std::exchange(s.bytes, {}); });
    state_.Change([](State&) {});
    if (bytes.empty() || !Put(bytes)) break;
  }
  pipe_.write.Reset();
  state_.Change([](State& s) { s.ended = true; });
}

}  // namespace bk::frontend::gateway
