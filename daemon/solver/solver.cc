#include "daemon/solver/solver.h"

#include <deque>
#include <unordered_map>

#include "daemon/solver/job_state.h"
#include "daemon/solver/scheduler.h"
#include "daemon/solver/vertex_feed.h"
#include "daemon/solver/vertex_stream.h"

namespace bk::solver {
namespace {

// Builds that ended but may still be watched: a client asks for the status in parallel with the build.
constexpr size_t kEndedJobs = 64;
constexpr int64_t kEndedJobNs = 30'000'000'000;

}  // namespace

class SolverState {
 public:
  SolverState(CacheKeyStorage* keys, ResultStorage* results) : scheduler_(keys, results) {}
  Scheduler& scheduler() { return scheduler_; }

  absl::Status Add(const std::shared_ptr<JobState>& job) {
    return jobs_.Change([&](Jobs& j) -> absl::Status {
      if (!j.running.emplace(job->id, job).second) return AlreadyExists("job ID ", job->id, " exists");
      std::erase_if(j.ended, [&](const Ended& ended) { return ended.job->id == job->id; });
      j.Expire();
      return absl::OkStatus();
    });
  }

  void Remove(const std::shared_ptr<JobState>& job) {
    scheduler_.RemoveJob(job);
    jobs_.With([&](Jobs& j) {
      j.running.erase(job->id);
      j.ended.push_back({job, NowNs()});
      j.Expire();
    });
    job->events->Close();
  }

  std::shared_ptr<JobState> WaitForJob(const CancelToken& cancel, const std::string& id, std::chrono::milliseconds wait) {
    CancelCallback wake(cancel, [this] { jobs_.Change([](Jobs&) {}); });
    auto find = [&](Jobs& j) -> std::shared_ptr<JobState> {
      if (auto it = j.running.find(id); it != j.running.end()) return it->second;
      for (const Ended& ended : j.ended) {
        if (ended.job->id == id) return ended.job;
      }
      return nullptr;
    };
    jobs_.WaitFor(wait, [&](Jobs& j) { return find(j) != nullptr || cancel.cancelled(); });
    return jobs_.With(find);
  }

 private:
  struct Ended {
    std::shared_ptr<JobState> job;
    int64_t ended_ns;
  };
  struct Jobs {
    std::unordered_map<std::string, std::shared_ptr<JobState>> running;
    std::deque<Ended> ended;  // oldest first
    void Expire() {
      while (!ended.empty() && (ended.size() > kEndedJobs || ended.front().ended_ns + kEndedJobNs < NowNs())) ended.pop_front();
    }
  };
  Guarded<Jobs> jobs_;
  Scheduler scheduler_;
};

Solver::Solver(CacheKeyStorage* keys, ResultStorage* results) : state_(std::make_unique<SolverState>(keys, results)) {}
Solver::~Solver() = default;

absl::StatusOr<std::unique_ptr<Job>> Solver::NewJob(const std::string& id) {
  auto state = std::make_shared<JobState>();
  state->id = id;
  state->solver = state_.get();
  BK_RETURN_IF_ERROR(state_->Add(state));
  return std::unique_ptr<Job>(new Job(state));
}

absl::Status Solver::Watch(const CancelToken& cancel, const std::string& id, std::chrono::milliseconds wait, ProgressSink& sink) {
  auto job = state_->WaitForJob(cancel, id, wait);
  BK_RETURN_IF_ERROR(cancel.Check());
  if (job == nullptr) return NotFound("no such job ", id);
  VertexStream stream(sink);
  absl::Status status = job->events->Follow(cancel, stream);
  if (status.ok()) stream.Finish();
  return status;
}

Job::~Job() { state_->solver->Remove(state_); }
const std::string& Job::id() const { return state_->id; }

void Job::SetSession(const std::string& session_id) {
  state_->session.With([&](std::string& session) { session = session_id; });
}

std::string Job::session() const {
  return state_->session.With([](const std::string& session) { return session; });
}

void Job::SetOffline(bool offline) { state_->offline = offline; }

std::map<Digest, std::vector<std::string>> Job::Pins() const {
  return state_->pins.With([](const auto& pins) { return pins; });
}

std::vector<Step> Job::Steps() const {
  std::vector<Step> steps;
  for (const auto& weak : state_->feeds.With([](const auto& feeds) { return feeds; })) {
    if (auto feed = weak.lock()) steps.push_back({feed->shared_vertex(), feed->notes()});
  }
  return steps;
}

absl::StatusOr<ResultPtr> Job::Build(const CancelToken& cancel, const Edge& edge) { return state_->solver->scheduler().Build(cancel, state_, edge); }

absl::Status Job::InContext(const std::string& name, const std::string& id, const std::function<absl::Status(OpContext&)>& f) {
  class Context : public OpContext {
   public:
    Context(std::string session, bool offline, std::shared_ptr<EventLog> events, Digest vertex)
        : session_(std::move(session)), offline_(offline), progress_(std::move(events), std::move(vertex)) {}
    std::vector<std::string> SessionIds() const override { return session_.empty() ? std::vector<std::string>() : std::vector<std::string>{session_}; }
    bool Offline() const override { return offline_; }
    VertexProgress Progress() const override { return progress_; }

   private:
    const std::string session_;
    const bool offline_;
    VertexProgress progress_;
  };
  VertexEvent event{DigestOf(id.empty() ? name : id), {}, name, false, NowNs(), 0, "", {}};
  Context context(session(), state_->offline, state_->events, event.digest);
  state_->events->Vertex(event);
  absl::Status status = f(context);
  event.completed_ns = NowNs();
  event.error = Message(status);
  state_->events->Vertex(event);
  return status;
}

void Job::Warn(const WarningEvent& warning) { state_->events->Warning(warning); }

}  // namespace bk::solver
