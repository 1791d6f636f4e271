// A build as the solver keeps it: what it said so far, for clients that watch from the beginning; internal to the solver.
#pragma once

#include <atomic>
#include <map>
#include <memory>
#include <string>
#include <unordered_set>
#include <variant>
#include <vector>

#include "base/cancel.h"
#include "base/guarded.h"
#include "daemon/solver/progress.h"

namespace bk::solver {

struct VertexNode;
class VertexFeed;
class SolverState;

using ProgressEvent = std::variant<VertexEvent, StatusEvent, LogEvent, WarningEvent>;
using ProgressEventPtr = std::shared_ptr<const ProgressEvent>;  // one for all builds that are told

void Deliver(const ProgressEvent& event, ProgressSink& sink);

// A sink that only stores. Thread-safe.
class EventLog : public ProgressSink {
 public:
  void Vertex(const VertexEvent& event) override { Add(event); }
  void Status(const StatusEvent& event) override { Add(event); }
  void Log(const LogEvent& event) override { Add(event); }
  void Warning(const WarningEvent& event) override { Add(event); }
  void Add(ProgressEvent event) { Add(std::make_shared<const ProgressEvent>(std::move(event))); }
  void Add(ProgressEventPtr event) {
    bool waited_for = state_.With([&](State& s) {
      s.events.push_back(std::move(event));
      return s.waiting > 0;
    });
    if (waited_for) state_.NotifyAll();
  }
  void Close() {
    state_.Change([](State& s) { s.closed = true; });
  }
  // Delivers everything from the beginning until the log is closed; Cancelled when `cancel` is first. What comes within
  // 100 ms of a delivery waits for the next one, so that a build of many events does not wake its watchers for each.
  absl::Status Follow(const CancelToken& cancel, ProgressSink& sink);

 private:
  struct State {
    std::vector<ProgressEventPtr> events;
    int waiting = 0;  // followers that have delivered everything
    bool closed = false;
  };
  Guarded<State> state_;
};

struct JobState {
  std::string id;
  SolverState* solver = nullptr;
  std::shared_ptr<EventLog> events = std::make_shared<EventLog>();
  Guarded<std::string> session;
  std::atomic<bool> offline{false};
  Guarded<std::map<Digest, std::vector<std::string>>> pins;  // what its sources resolved to, by vertex
  Guarded<std::vector<std::weak_ptr<VertexFeed>>> feeds;             // of every vertex that it wanted, in no order
  // Scheduler's: everything the build may need.
  std::unordered_set<VertexNode*> vertices;
};

}  // namespace bk::solver
