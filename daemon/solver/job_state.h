// What a build said so far, kept for clients that watch it from the beginning; internal to the solver.
#pragma once

#include <memory>
#include <set>
#include <string>
#include <variant>
#include <vector>

#include "base/cancel.h"
#include "base/guarded.h"
#include "daemon/solver/progress.h"

namespace bk::solver {

class SharedVertex;
class SolverState;

using ProgressEvent = std::variant<VertexEvent, StatusEvent, LogEvent, WarningEvent>;

void Deliver(const ProgressEvent& event, ProgressSink& sink);

// A sink that only stores. Thread-safe.
class EventLog : public ProgressSink {
 public:
  void Vertex(const VertexEvent& event) override { Add(event); }
  void Status(const StatusEvent& event) override { Add(event); }
  void Log(const LogEvent& event) override { Add(event); }
  void Warning(const WarningEvent& event) override { Add(event); }
  void Add(ProgressEvent event) {
    state_.Change([&](State& s) { s.events.push_back(std::move(event)); });
  }
  void Close() {
    state_.Change([](State& s) { s.closed = true; });
  }
  // Delivers everything from the beginning until the log is closed; Cancelled when `cancel` is first.
  absl::Status Follow(const CancelToken& cancel, ProgressSink& sink);

 private:
  struct State {
    std::vector<ProgressEvent> events;
    bool closed = false;
  };
  Guarded<State> state_;
};

struct JobState {
  std::string id;
  SolverState* solver = nullptr;
  std::shared_ptr<EventLog> events = std::make_shared<EventLog>();
  struct Fields {
    std::string session_id;
    std::set<std::shared_ptr<SharedVertex>> vertices;
  };
  Guarded<Fields> fields;
};

}  // namespace bk::solver
