#include "daemon/control/status_queue.h"

#include "daemon/control/convert.h"

namespace bk::control {
namespace {

constexpr size_t kBatchBytes = 1 << 20;
constexpr size_t kOverhead = 128;  // of one message in a batch

}  // namespace

template <typename Message>
void StatusQueue::Count(State& state, const Message& added) {
  state.any = true;
  state.bytes += added.ByteSizeLong() + kOverhead;
  if (state.bytes <= kBatchBytes) return;
  state.full.push_back(std::move(state.pending));
  state.pending.Clear();
  state.bytes = 0;
}

void StatusQueue::Vertex(const solver::VertexEvent& event) {
  state_.Change([&](State& s) { Count(s, *s.pending.add_vertexes() = ToWire(event)); });
}

void StatusQueue::Status(const solver::StatusEvent& event) {
  state_.Change([&](State& s) { Count(s, *s.pending.add_statuses() = ToWire(event)); });
}

void StatusQueue::Log(const solver::LogEvent& event) {
  state_.Change([&](State& s) { Count(s, *s.pending.add_logs() = ToWire(event)); });
}

void StatusQueue::Warning(const solver::WarningEvent& event) {
  state_.Change([&](State& s) { Count(s, *s.pending.add_warnings() = ToWire(event)); });
}

void StatusQueue::Close() {
  state_.Change([](State& s) { s.closed = true; });
}

std::optional<moby::buildkit::v1::StatusResponse> StatusQueue::Take() {
  return state_.WaitThen([](State& s) { return s.any || s.closed; },
                         [](State& s) -> std::optional<moby::buildkit::v1::StatusResponse> {
                           if (!s.any) return std::nullopt;
                           moby::buildkit::v1::StatusResponse batch;
                           if (!s.full.empty()) {
                             batch = std::move(s.full.front());
                             s.full.pop_front();
                           } else {
                             batch = std::move(s.pending);
                             s.pending.Clear();
                             s.bytes = 0;
                           }
                           s.any = !s.full.empty() || s.bytes > 0;
                           return batch;
                         });
}

}  // namespace bk::control
