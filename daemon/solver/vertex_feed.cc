#include "daemon/solver/vertex_feed.h"

#include <algorithm>

#include "base/go_json.h"

namespace bk::solver {
namespace {

class FeedSink : public ProgressSink {
 public:
  explicit FeedSink(std::shared_ptr<VertexFeed> feed) : feed_(std::move(feed)) {}
  void Vertex(const VertexEvent& event) override { feed_->Say(event); }
  void Status(const StatusEvent& event) override { feed_->SayStatus(event); }
  void Log(const LogEvent& event) override { feed_->Say(event); }
  void Warning(const WarningEvent& event) override { feed_->Say(event); }

 private:
  std::shared_ptr<VertexFeed> feed_;
};

}  // namespace

VertexProgress FeedContext::Progress() const { return VertexProgress(std::make_shared<FeedSink>(feed_), feed_->vertex().digest); }

VertexEvent VertexFeed::Describe() const {
  VertexEvent event{vertex_->digest, {}, vertex_->name, false, 0, 0, "", vertex_->progress_group};
  for (const Edge& input : vertex_->inputs) event.inputs.push_back(input.vertex->digest);
  return event;
}

void VertexFeed::AddJob(const std::shared_ptr<JobState>& job) {
  state_.With([&](State& s) {
    if (std::find(s.jobs.begin(), s.jobs.end(), job) != s.jobs.end()) return;
    job->events->Add(Describe());
    for (const ProgressEventPtr& event : s.said) job->events->Add(event);
    if (!s.pins.empty()) job->pins.With([&](auto& pins) { pins[vertex_->digest] = s.pins; });
    s.jobs.push_back(job);
    job->feeds.With([&](auto& feeds) { feeds.push_back(weak_from_this()); });
  });
}

void VertexFeed::RemoveJob(const JobState* job) {
  state_.With([&](State& s) { std::erase_if(s.jobs, [&](const auto& known) { return known.get() == job; }); });
}

std::vector<std::string> VertexFeed::SessionIds() const {
  std::vector<std::string> ids;
  for (const auto& job : state_.With([](const State& s) { return s.jobs; })) {
    std::string id = job->session.With([](const std::string& session) { return session; });
    if (!id.empty() && std::find(ids.begin(), ids.end(), id) == ids.end()) ids.push_back(std::move(id));
  }
  return ids;
}

bool VertexFeed::Offline() const {
  return state_.With([](const State& s) { return !s.jobs.empty() && std::all_of(s.jobs.begin(), s.jobs.end(), [](const auto& job) { return job->offline.load(); }); });
}

void VertexFeed::Pin(const std::vector<std::string>& pins) {
  state_.With([&](State& s) {
    s.pins = pins;
    for (const auto& job : s.jobs) job->pins.With([&](auto& known) { known[vertex_->digest] = pins; });
  });
}

void VertexFeed::Tell(State& s, ProgressEvent event) {
  auto shared = std::make_shared<const ProgressEvent>(std::move(event));
  for (const auto& job : s.jobs) job->events->Add(shared);
  s.said.push_back(std::move(shared));
}

void VertexFeed::Say(ProgressEvent event) {
  state_.With([&](State& s) { Tell(s, std::move(event)); });
}

void VertexFeed::SayStatus(const StatusEvent& status) {
  VertexEvent vertex = Describe();
  state_.With([&](State& s) {
    bool ended = status.completed_ns != 0, known = s.open.contains(status.id);
    if (!ended && !known) {
      if (s.running == 0 && s.open.empty()) {
        vertex.started_ns = s.reopened_ns = status.started_ns;
        Tell(s, vertex);
      }
      s.open.insert(status.id);
    }
    Tell(s, status);
    if (!ended || !known) return;
    s.open.erase(status.id);
    if (!s.open.empty() || s.reopened_ns == 0) return;
    vertex.started_ns = std::exchange(s.reopened_ns, 0);
    vertex.completed_ns = status.completed_ns;
    Tell(s, vertex);
  });
}

absl::Status VertexFeed::Around(const std::function<absl::Status()>& work) {
  VertexEvent event = Describe();
  event.started_ns = NowNs();
  state_.With([&](State& s) {
    s.running++;
    Tell(s, event);
  });
  absl::Status status = work();
  event.completed_ns = NowNs();
  event.error = Message(status);
  state_.With([&](State& s) {
    s.running--;
    Tell(s, std::move(event));
  });
  return status;
}

void VertexFeed::SayCached(int64_t started_ns) {
  VertexEvent event = Describe();
  event.cached = true;
  event.started_ns = started_ns;
  Say(event);
  event.completed_ns = NowNs();
  Say(std::move(event));
}

absl::Status VertexFeed::Named(absl::Status status) const {
  if (!status.ok() && !HasDetail(status, "errdefs.Vertex")) {
    AddDetail(status, {"errdefs.Vertex", StrCat("{\"digest\":", GoJsonString(vertex_->digest.str()), "}")});
  }
  return status;
}

}  // namespace bk::solver
