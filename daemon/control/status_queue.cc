#include "daemon/control/status_queue.h"

#include "daemon/control/convert.h"

namespace bk::control {
namespace {

constexpr size_t kLogBytes = 1 << 20;
constexpr size_t kLogOverhead = 128;  // of one VertexLog message

}  // namespace

void StatusQueue::Vertex(const solver::VertexEvent& event) {
  state_.Change([&](State& s) {
    *s.pending.add_vertexes() = ToWire(event);
    s.any = true;
  });
}

void StatusQueue::Status(const solver::StatusEvent& event) {
  state_.Change([&](State& s) {
    *s.pending.add_statuses() = ToWire(event);
    s.any = true;
  });
}

void StatusQueue::Log(const solver::LogEvent& event) {
  state_.Change([&](State& s) {
    *s.pending.add_logs() = ToWire(event);
    s.any = true;
    s.log_bytes += event.data.size() + kLogOverhead;
    if (s.log_bytes <= kLogBytes) return;
    s.full.push_back(std::move(s.pending));
    s.pending.Clear();
    s.log_bytes = 0;
  });
}

void StatusQueue::Warning(const solver::WarningEvent& event) {
  state_.Change([&](State& s) {
    *s.pending.add_warnings() = ToWire(event);
    s.any = true;
  });
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
                             s.full.erase(s.full.begin());
                           } else {
                             batch = std::move(s.pending);
                             s.pending.Clear();
                             s.log_bytes = 0;
                           }
                           bool empty = s.pending.vertexes().empty() && s.pending.statuses().empty() && s.pending.logs().empty() && s.pending.warnings().empty();
                           s.any = !s.full.empty() || !empty;
                           return batch;
                         });
}

}  // namespace bk::control
