// Who wants a vertex, and what it said: the link between op threads and the builds they work for; internal to the solver.
//
// A build that joins late is told everything from the beginning. Thread-safe.
#pragma once

#include <memory>
#include <set>
#include <string>
#include <vector>

#include "base/guarded.h"
#include "daemon/solver/job_state.h"
#include "daemon/solver/step_notes.h"
#include "daemon/solver/vertex.h"

namespace bk::solver {

class VertexFeed : public std::enable_shared_from_this<VertexFeed> {
 public:
  explicit VertexFeed(VertexPtr vertex) : vertex_(std::move(vertex)) {}
  const Vertex& vertex() const { return *vertex_; }
  const VertexPtr& shared_vertex() const { return vertex_; }

  void AddJob(const std::shared_ptr<JobState>& job);
  void RemoveJob(const JobState* job);
  // Of the builds that want the vertex now, in the order they came.
  std::vector<std::string> SessionIds() const;
  bool Offline() const;  // all of them
  // What the vertex resolved to, for all builds that want it or will.
  void Pin(const std::vector<std::string>& pins);
  void Say(ProgressEvent event);
  // Work that is told after the vertex ended (a layer that is pulled when a later step needs it) opens it once more, until
  // the last piece of such work ends, so that its time is seen.
  void SayStatus(const StatusEvent& event);
  // The vertex with no times yet.
  VertexEvent Describe() const;
  // Emits started now and completed at the end of `work`.
  absl::Status Around(const std::function<absl::Status()>& work);
  void SayCached(int64_t started_ns);
  // Writes down what becomes of the vertex.
  void Note(const std::function<void(StepNotes&)>& note) {
    state_.With([&](State& s) { note(s.notes); });
  }
  StepNotes notes() const {
    return state_.With([](const State& s) { return s.notes; });
  }
  // Adds the vertex to an error that names none yet.
  absl::Status Named(absl::Status status) const;

 private:
  struct State {
    std::vector<std::shared_ptr<JobState>> jobs;
    std::vector<ProgressEventPtr> said;
    std::vector<std::string> pins;
    int running = 0;             // Around
    std::set<std::string> open;  // pieces of work
    int64_t reopened_ns = 0;     // 0: it is not
    StepNotes notes;
  };
  static void Tell(State& state, ProgressEvent event);
  const VertexPtr vertex_;
  Guarded<State> state_;
};

// What ops see of the builds they work for.
class FeedContext : public OpContext {
 public:
  explicit FeedContext(std::shared_ptr<VertexFeed> feed) : feed_(std::move(feed)) {}
  std::vector<std::string> SessionIds() const override { return feed_->SessionIds(); }
  bool Offline() const override { return feed_->Offline(); }
  VertexProgress Progress() const override;

 private:
  std::shared_ptr<VertexFeed> feed_;
};

}  // namespace bk::solver
