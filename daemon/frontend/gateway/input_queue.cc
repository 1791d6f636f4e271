#include "daemon/frontend/gateway/input_queue.h"

#include "base/os/file.h"

namespace bk::frontend::gateway {

absl::StatusOr<std::unique_ptr<InputQueue>> InputQueue::Make() {
  std::unique_ptr<InputQueue> queue(new InputQueue);
  BK_ASSIGN(queue->pipe_, os::MakePipe());
  queue->thread_ = std::thread([q = queue.get()] { q->Fill(); });
  return queue;
}

InputQueue::~InputQueue() {
  Over();
  thread_.join();
}

void InputQueue::Add(std::string bytes) {
  state_.WaitThen([](const State& s) { return s.bytes.size() < kMostBytes || s.over; }, [&](State& s) { s.bytes += bytes; });
  state_.Change([](State&) {});
}

void InputQueue::End() {
  state_.Change([](State& s) { s.ended = true; });
}

void InputQueue::Over() {
  state_.Change([](State& s) { s.over = true; });
  pipe_.read.Reset();  // ends a write that nobody reads
}

void InputQueue::Fill() {
  while (true) {
    std::string bytes = state_.WaitThen([](const State& s) { return !s.bytes.empty() || s.ended || s.over; },
                                        [](State& s) { return s.over ? std::string() : std::exchange(s.bytes, {}); });
    state_.Change([](State&) {});
    if (bytes.empty() || !os::WriteAll(pipe_.write.get(), bytes).ok()) break;
  }
  pipe_.write.Reset();
  state_.Change([](State& s) { s.over = true; });
}

}  // namespace bk::frontend::gateway
