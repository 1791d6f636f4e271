#include "daemon/solver/vertex_feed.h"

#include <algorithm>

#include "base/go_json.h"

namespace bk::solver {
namespace {

class FeedSink : public ProgressSink {
 public:
  explicit FeedSink(std::shared_ptr<VertexFeed> feed) : feed_(std::move(feed)) {}
  void Vertex(const VertexEvent& event) override { feed_->Say(event); }
  void Status(const StatusEvent& event) override { feed_->Say(event); }
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
    s.jobs.push_back(job);
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

void VertexFeed::Say(ProgressEvent event) {
  auto shared = std::make_shared<const ProgressEvent>(std::move(event));
  state_.With([&](State& s) {
    for (const auto& job : s.jobs) job->events->Add(shared);
    s.said.push_back(std::move(shared));
  });
}

absl::Status VertexFeed::Around(const std::function<absl::Status()>& work) {
  VertexEvent event = Describe();
  event.started_ns = NowNs();
  Say(event);
  absl::Status status = work();
  event.completed_ns = NowNs();
  event.error = Message(status);
  Say(std::move(event));
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
