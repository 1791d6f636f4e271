#include <doctest/doctest.h>

#include "daemon/solver/vertex_feed.h"

using namespace bk;
using namespace bk::solver;

namespace {

// Everything that a build's watchers are told, in words.
struct Words : ProgressSink {
  std::vector<std::string> said;
  void Vertex(const VertexEvent& e) override { said.push_back(e.completed_ns != 0 ? "ended" : e.started_ns != 0 ? "started" : "there"); }
  void Status(const StatusEvent& e) override { said.push_back(e.id + (e.completed_ns != 0 ? " ended" : "")); }
  void Log(const LogEvent&) override {}
  void Warning(const WarningEvent&) override {}
};

struct Bench {
  std::shared_ptr<VertexFeed> feed;
  std::shared_ptr<JobState> job = std::make_shared<JobState>();
  Bench() {
    auto vertex = std::make_shared<Vertex>();
    vertex->digest = DigestOf("vertex");
    vertex->name = "pull";
    feed = std::make_shared<VertexFeed>(vertex);
    feed->AddJob(job);
  }
  VertexProgress Progress() { return FeedContext(feed).Progress(); }
  std::vector<std::string> Said() {
    Words words;
    job->events->Close();
    CHECK(job->events->Follow(CancelToken::Never(), words).ok());
    return words.said;
  }
};

}  // namespace

TEST_CASE("work inside a vertex does not open it again") {
  Bench bench;
  CHECK(bench.feed->Around([&] {
    VertexProgress progress = bench.Progress();  // outlives its tasks
    auto task = progress.Start("resolve");
    return absl::OkStatus();
  }).ok());
  CHECK(bench.Said() == std::vector<std::string>{"there", "started", "resolve", "resolve ended", "ended"});
}

TEST_CASE("work after a vertex ended opens it until the last piece ends") {
  Bench bench;
  CHECK(bench.feed->Around([] { return absl::OkStatus(); }).ok());
  {
    auto progress = bench.Progress();
    auto fetch = progress.Start("fetch");
    auto extract = progress.Start("extract");
  }
  CHECK(bench.Said() == std::vector<std::string>{"there", "started", "ended", "started", "fetch", "extract", "extract ended", "fetch ended", "ended"});
}

TEST_CASE("progress of a task is told at intervals, its last state at the end") {
  struct Currents : ProgressSink {
    std::vector<int64_t> told;
    void Vertex(const VertexEvent&) override {}
    void Status(const StatusEvent& e) override { told.push_back(e.current); }
    void Log(const LogEvent&) override {}
    void Warning(const WarningEvent&) override {}
  };
  auto sink = std::make_shared<Currents>();
  {
    VertexProgress progress(sink, DigestOf("vertex"));
    auto task = progress.Start("transfer");
    for (int i = 1; i <= 100'000; i++) task.Update(i, 100'000);
  }
  CHECK(sink->told.size() < 1000);
  CHECK(sink->told.back() == 100'000);
}
