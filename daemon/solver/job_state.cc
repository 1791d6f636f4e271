#include "daemon/solver/job_state.h"

#include <chrono>

namespace bk::solver {
namespace {

constexpr std::chrono::milliseconds kPace(100);

}  // namespace

void Deliver(const ProgressEvent& event, ProgressSink& sink) {
  struct Visitor {
    ProgressSink& sink;
    void operator()(const VertexEvent& e) { sink.Vertex(e); }
    void operator()(const StatusEvent& e) { sink.Status(e); }
    void operator()(const LogEvent& e) { sink.Log(e); }
    void operator()(const WarningEvent& e) { sink.Warning(e); }
  };
  std::visit(Visitor{sink}, event);
}

absl::Status EventLog::Follow(const CancelToken& cancel, ProgressSink& sink) {
  CancelCallback wake(cancel, [this] { state_.Change([](State&) {}); });
  size_t next = 0;
  while (true) {
    std::vector<ProgressEventPtr> batch;
    state_.With([](State& s) { s.waiting++; });
    bool closed = state_.WaitThen([&](State& s) { return s.events.size() > next || s.closed || cancel.cancelled(); },
                                  [&](State& s) {
                                    s.waiting--;
                                    batch.assign(s.events.begin() + static_cast<ptrdiff_t>(next), s.events.end());
                                    next = s.events.size();
                                    return s.closed;
                                  });
    BK_RETURN_IF_ERROR(cancel.Check());
    for (const ProgressEventPtr& event : batch) Deliver(*event, sink);
    if (closed && batch.empty()) return absl::OkStatus();
    if (!closed) state_.WaitFor(kPace, [&](const State& s) { return s.closed || cancel.cancelled(); });
  }
}

}  // namespace bk::solver
