// One vertex while builds want it: its op, keys, results and subscribers; internal to the solver.
//
// All work on a vertex is done by one op thread at a time (the "runner"); everybody else waits for the stage they need.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <vector>

#include "base/guarded.h"
#include "base/task_group.h"
#include "daemon/solver/cache_storage.h"
#include "daemon/solver/job_state.h"
#include "daemon/solver/vertex.h"

namespace bk::solver {

// How far a vertex has been worked on for an output; each stage includes those before it.
enum class Stage { kDefinitionKeys, kContentKeys, kResult };

class SharedVertex : public std::enable_shared_from_this<SharedVertex> {
 public:
  struct Input {
    std::shared_ptr<SharedVertex> vertex;
    int output;
  };
  SharedVertex(VertexPtr vertex, std::vector<Input> inputs, CacheKeyStorage* keys, ResultStorage* results, TaskGroup* tasks);

  const Vertex& vertex() const { return *vertex_; }
  const std::vector<Input>& inputs() const { return inputs_; }

  // Subscribes a build: it is told what was said already. The vertex's work is cancelled when the last one leaves.
  void AddJob(const std::shared_ptr<JobState>& job);
  // True if nobody is left.
  bool RemoveJob(const std::shared_ptr<JobState>& job);

  // Blocks until `output` reached `stage`, or the error of the vertex (or of what it needs).
  absl::Status Ensure(const CancelToken& cancel, int output, Stage stage);
  // Starts towards `stage` without waiting.
  void Start(int output, Stage stage);
  ResultPtr result(int output);
  // Key ids of `output` known so far.
  std::vector<std::string> KeyIds(int output);
  // Reports the vertex and what it depends on as cached, unless they said something already.
  void ReportCached();

 private:
  struct Candidate {  // a key of an input under which results of this vertex may be stored
    std::string id, selector;
  };
  struct State {
    std::vector<std::shared_ptr<JobState>> jobs;
    std::vector<ProgressEvent> said;
    bool running = false, reported = false;
    std::map<int, Stage> reached;
    std::map<int, ResultPtr> results;
    std::map<int, std::vector<std::string>> own_ids;  // of roots and of executed outputs
    absl::Status error;
  };
  class Context;
  class Sink;

  // Runner only; no lock held.
  void Run(int output, Stage stage);
  absl::Status Advance(int output, Stage stage);
  absl::Status LoadCacheMap(int output);
  absl::Status DefinitionKeys(int output);
  absl::Status ContentKeys(int output);
  absl::Status Result(int output);
  absl::StatusOr<bool> LoadCached(int output);
  absl::Status Execute();
  absl::Status StoreResults(const std::vector<ResultPtr>& results);
  void AddCandidate(size_t input, Candidate candidate);
  void TakeInputKeys();
  std::vector<std::string> Query(int output) const;
  void LinkCandidates(int output, const std::string& id);
  bool HasStoredResult(const std::vector<std::string>& ids) const;
  absl::Status WithProgress(const std::function<absl::Status(OpContext&)>& work);
  void Say(ProgressEvent event);
  absl::Status Fail(absl::Status status) const;

  const VertexPtr vertex_;
  const std::vector<Input> inputs_;
  CacheKeyStorage* const keys_;
  ResultStorage* const stored_;
  TaskGroup* const tasks_;
  CancelSource cancel_;
  Guarded<State> state_;

  // Owned by the runner.
  std::unique_ptr<Op> op_;
  std::optional<CacheMap> map_;
  std::vector<std::vector<Candidate>> candidates_;  // per input
  std::vector<bool> content_done_;                  // per input
  bool executed_ = false;
};

}  // namespace bk::solver
