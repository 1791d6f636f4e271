// The recipe of a build: job → frontend or LLB → wait → export → done. The one place where the rooms of the daemon meet.
//
// Solve blocks until the build ended (one thread a build); Status may be asked before, during and shortly after it.
// Thread-safe.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "daemon/cache/ref.h"
#include "daemon/explain/journal.h"
#include "daemon/exporter/exporter.h"
#include "daemon/frontend/container/maker.h"
#include "daemon/frontend/frontend.h"
#include "daemon/frontend/gateway/forwarder.h"
#include "daemon/llb/admission.h"
#include "daemon/llb/load/vertex_load.h"
#include "daemon/llb/policy/source_policy.h"
#include "daemon/llb/source_gate.h"
#include "daemon/session/session.h"
#include "daemon/solver/solver.h"
#include "daemon/source/source.h"

namespace bk::llb {

struct ExportRequest {
  std::string type;
  std::map<std::string, std::string> attrs;
};

// Told of a build as it goes, on the thread of Solve.
class BuildListener {
 public:
  virtual ~BuildListener() = default;
  // It runs: the request was not refused.
  virtual void Started() = 0;
  // It is computed, and not exported yet.
  virtual void HasResult(const std::map<std::string, std::string>& metadata) = 0;
};

struct BuildRequest {
  std::string ref, session_id;
  std::shared_ptr<const pb::Definition> definition;  // null: absent, which is not the same as empty (trap 1)
  std::string frontend;                              // "" with a null definition: the client runs it
  std::map<std::string, std::string> frontend_attrs;
  frontend::gateway::Inputs frontend_inputs;
  std::vector<ExportRequest> exporters;
  std::vector<frontend::CacheImport> cache_imports, cache_exports;
  std::vector<std::string> entitlements;
  PolicyList source_policies;
  SourceRules source_rules;
  bool internal = false;  // leaves no history
  BuildListener* listener = nullptr;
};

struct BuildResponse {
  std::map<std::string, std::string> exporter_response;
  std::map<int64_t, Descriptor> descriptors;  // what was made, by the exporter's index
  std::vector<ResolvedSource> sources;        // what the build's sources resolved to
  std::string lock_text;                      // the same as a lock file, if asked for
};

// What a daemon offers; borrowed, must outlive the engine.
struct EngineParts {
  solver::Solver* solver = nullptr;
  cache::CacheManager* cache = nullptr;
  source::SourceManager* sources = nullptr;
  session::Manager* sessions = nullptr;
  ops::OpFactory* ops = nullptr;
  frontend::ContainerMaker* containers = nullptr;  // null: frontends get none
  std::map<std::string, exporter::Exporter*> exporters;
  std::map<std::string, frontend::Frontend*> frontends;
  std::vector<frontend::WorkerInfo> workers;
  std::set<std::string> allowed_entitlements;  // by the daemon's configuration
  cdi::Registry* devices = nullptr;            // null: none are offered
  explain::Journal* journal = nullptr;         // of what builds were made of; null: none is kept
};

class Build;

class Engine {
 public:
  explicit Engine(EngineParts parts);
  // Errors have the codes and details that clients expect (error_details.h). Cancelling ends the build's job.
  absl::StatusOr<BuildResponse> Solve(const CancelToken& cancel, const BuildRequest& request);
  // Says what the build said so far and goes on until it ends. Waits for a build that has not come yet (6 s), then
  // NotFound `no such job REF`.
  absl::Status Status(const CancelToken& cancel, const std::string& ref, solver::ProgressSink& sink);
  frontend::gateway::Forwarders& forwarders() { return forwarders_; }
  const EngineParts& parts() const { return parts_; }

 private:
  struct Plan;  // what a request asks for, checked
  absl::StatusOr<Plan> MakePlan(const BuildRequest& request);
  absl::StatusOr<BuildResponse> Run(const CancelToken& cancel, const BuildRequest& request);
  absl::StatusOr<BuildResponse> RunJob(const CancelToken& cancel, const BuildRequest& request, Plan plan, Build& build);
  absl::StatusOr<frontend::Result> RunFrontend(const CancelToken& cancel, const BuildRequest& request, Build& build);

  EngineParts parts_;
  frontend::gateway::Forwarders forwarders_;
  Admission admission_;
};

}  // namespace bk::llb
