// The build graph engine: builds that ask for the same vertex share its work; what the cache knows is not run (trap 13).
//
// One scheduler thread decides (scheduler.h), op threads do what takes time. Keys from definitions come first, keys from
// contents and results only where something downstream cannot do without. Equal steps are merged while in flight. Work is
// cancelled when the last build that wants it is gone. Thread-safe. See docs/threading.md.
#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <string>

#include "daemon/solver/cache_storage.h"
#include "daemon/solver/step_notes.h"
#include "daemon/solver/vertex.h"

namespace bk::solver {

class SolverState;

// One build. Ends (and gives up its vertices) with the handle.
class Job {
 public:
  ~Job();
  const std::string& id() const;
  void SetSession(const std::string& session_id);
  std::string session() const;
  // Before the first Build: see OpContext::Offline.
  void SetOffline(bool offline);
  // CacheMap::pins of the vertices that have some, as far as they are known by now.
  std::map<Digest, std::vector<std::string>> Pins() const;

  // What became of its vertices so far, in no order. Holds on to results.
  std::vector<Step> Steps() const;

  // The result of `edge`; runs what the cache does not know. Several calls at once are fine.
  absl::StatusOr<ResultPtr> Build(const CancelToken& cancel, const Edge& edge);
  // Runs `f` as a vertex of its own named `name` (digest: hash of `id`, or of the name when empty).
  absl::Status InContext(const std::string& name, const std::string& id, const std::function<absl::Status(OpContext&)>& f);
  void Warn(const WarningEvent& warning);

 private:
  friend class Solver;
  friend class SolverState;
  explicit Job(std::shared_ptr<struct JobState> state) : state_(std::move(state)) {}
  std::shared_ptr<struct JobState> state_;
};

class Solver {
 public:
  Solver(CacheKeyStorage* keys, ResultStorage* results);
  ~Solver();  // all jobs must be gone
  // AlreadyExists `job ID … exists`.
  absl::StatusOr<std::unique_ptr<Job>> NewJob(const std::string& id);
  // Everything the job says, from its beginning until it ends; waits up to `wait` for the job to start
  // (NotFound `no such job …`).
  absl::Status Watch(const CancelToken& cancel, const std::string& id, std::chrono::milliseconds wait, ProgressSink& sink);

 private:
  std::unique_ptr<SolverState> state_;
};

}  // namespace bk::solver
