#include "daemon/solver/solver.h"

#include <deque>
#include <unordered_map>

#include "daemon/solver/job_state.h"
#include "daemon/solver/shared_vertex.h"

namespace bk::solver {
namespace {

// Builds that ended but may still be watched: a client asks for the status in parallel with the build.
constexpr size_t kEndedJobs = 64;

}  // namespace

class SolverState {
 public:
  SolverState(CacheKeyStorage* keys, ResultStorage* results) : keys_(keys), results_(results) {}

  absl::Status Add(const std::shared_ptr<JobState>& job) {
    return graph_.Change([&](Graph& g) -> absl::Status {
      if (!g.jobs.emplace(job->id, job).second) return AlreadyExists("job ID ", Quote(job->id), " exists");
      std::erase_if(g.ended, [&](const auto& ended) { return ended->id == job->id; });
      return absl::OkStatus();
    });
  }

  void Remove(const std::shared_ptr<JobState>& job) {
    auto vertices = job->fields.With([](auto& f) { return std::exchange(f.vertices, {}); });
    graph_.With([&](Graph& g) {
      for (const auto& vertex : vertices) {
        if (vertex->RemoveJob(job)) {
          auto it = g.vertices.find(Key(vertex->vertex()));
          if (it != g.vertices.end() && it->second == vertex) g.vertices.erase(it);
        }
      }
      g.jobs.erase(job->id);
      g.ended.push_back(job);
      if (g.ended.size() > kEndedJobs) g.ended.pop_front();
    });
    job->events->Close();
  }

  std::shared_ptr<JobState> WaitForJob(const CancelToken& cancel, const std::string& id, std::chrono::milliseconds wait) {
    CancelCallback wake(cancel, [this] { graph_.Change([](Graph&) {}); });
    auto find = [&](Graph& g) -> std::shared_ptr<JobState> {
      if (auto it = g.jobs.find(id); it != g.jobs.end()) return it->second;
      for (const auto& job : g.ended) {
        if (job->id == id) return job;
      }
      return nullptr;
    };
    graph_.WaitFor(wait, [&](Graph& g) { return find(g) != nullptr || cancel.cancelled(); });
    return graph_.With(find);
  }

  // The shared vertices of `edge` and everything below it, subscribed by `job`. Iterative: graphs may be deep.
  std::shared_ptr<SharedVertex> Subscribe(const std::shared_ptr<JobState>& job, const VertexPtr& root) {
    return graph_.With([&](Graph& g) {
      std::unordered_map<const Vertex*, std::shared_ptr<SharedVertex>> done;
      std::vector<std::pair<VertexPtr, bool>> stack = {{root, false}};
      while (!stack.empty()) {
        auto [vertex, inputs_done] = stack.back();
        stack.pop_back();
        if (done.contains(vertex.get())) continue;
        if (!inputs_done) {
          stack.emplace_back(vertex, true);
          for (const Edge& input : vertex->inputs) stack.emplace_back(input.vertex, false);
          continue;
        }
        auto& shared = g.vertices[Key(*vertex)];
        if (shared == nullptr) {
          std::vector<SharedVertex::Input> inputs;
          for (const Edge& input : vertex->inputs) inputs.push_back({done[input.vertex.get()], input.index});
          shared = std::make_shared<SharedVertex>(vertex, std::move(inputs), keys_, results_, &tasks_);
        }
        shared->AddJob(job);
        job->fields.With([&](auto& f) { f.vertices.insert(shared); });
        done[vertex.get()] = shared;
      }
      return done[root.get()];
    });
  }

 private:
  struct Graph {
    std::unordered_map<std::string, std::shared_ptr<SharedVertex>> vertices;
    std::unordered_map<std::string, std::shared_ptr<JobState>> jobs;
    std::deque<std::shared_ptr<JobState>> ended;  // oldest first
  };
  static std::string Key(const Vertex& vertex) { return vertex.digest.str() + (vertex.ignore_cache ? "-ignorecache" : ""); }

  CacheKeyStorage* keys_;
  ResultStorage* results_;
  Guarded<Graph> graph_;
  TaskGroup tasks_;  // last: ends first
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
  return job->events->Follow(cancel, sink);
}

Job::~Job() { state_->solver->Remove(state_); }
const std::string& Job::id() const { return state_->id; }

void Job::SetSession(const std::string& session_id) {
  state_->fields.With([&](auto& f) { f.session_id = session_id; });
}

std::string Job::session() const {
  return state_->fields.With([](auto& f) { return f.session_id; });
}

absl::StatusOr<ResultPtr> Job::Build(const CancelToken& cancel, const Edge& edge) {
  auto vertex = state_->solver->Subscribe(state_, edge.vertex);
  BK_RETURN_IF_ERROR(vertex->Ensure(cancel, edge.index, Stage::kResult));
  ResultPtr result = vertex->result(edge.index);
  if (result == nullptr) return Unknown("vertex ", edge.vertex->name, " has no output ", edge.index);
  return result;
}

absl::Status Job::InContext(const std::string& name, const std::string& id, const std::function<absl::Status(OpContext&)>& f) {
  class Context : public OpContext {
   public:
    Context(const JobState& job, Digest vertex) : session_(job.fields.With([](auto& g) { return g.session_id; })), progress_(job.events, std::move(vertex)) {}
    std::vector<std::string> SessionIds() const override { return session_.empty() ? std::vector<std::string>() : std::vector<std::string>{session_}; }
    VertexProgress Progress() const override { return progress_; }

   private:
    std::string session_;
    VertexProgress progress_;
  };
  VertexEvent event{DigestOf(id.empty() ? name : id), {}, name, false, NowNs(), 0, "", {}};
  Context context(*state_, event.digest);
  state_->events->Vertex(event);
  absl::Status status = f(context);
  event.completed_ns = NowNs();
  event.error = Message(status);
  state_->events->Vertex(event);
  return status;
}

void Job::Warn(const WarningEvent& warning) { state_->events->Warning(warning); }

}  // namespace bk::solver
