// One build while it runs: what its bridges, refs and exporters share. Lives as long as the build's job.
//
// Thread-safe.
#pragma once

#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <string>

#include "base/guarded.h"
#include "daemon/llb/admission.h"
#include "daemon/llb/engine.h"
#include "daemon/llb/error_details.h"
#include "daemon/llb/source_gate.h"
#include "daemon/llb/step_record.h"
#include "daemon/llb/load/entitlement_set.h"

namespace bk::llb {

class Build {
 public:
  Build(const EngineParts& parts, solver::Job& job, std::string session_id, EntitlementSet entitlements, PolicyList policies = {}, SourceRules rules = {}, Admission* admission = nullptr)
      : parts_(parts), job_(job), session_id_(std::move(session_id)), entitlements_(std::move(entitlements)), policies_(std::move(policies)), admission_(admission), gate_(std::move(rules)) {
    job_.SetOffline(gate_.rules().offline);
  }

  const EngineParts& parts() const { return parts_; }
  solver::Job& job() const { return job_; }
  const std::string& session_id() const { return session_id_; }
  const EntitlementSet& entitlements() const { return entitlements_; }
  SourceGate& gate() { return gate_; }
  StepRecord& steps() { return steps_; }
  // Before the first thing that is solved: waits while other builds that came at the same time begin.
  void AwaitTurn(const CancelToken& cancel);
  // Of the session only: for content that is fetched outside of a vertex.
  cache::FetchContext Fetch() const;
  cache::FetchContext FetchFor(const solver::OpContext& vertex) const { return {vertex.SessionIds(), vertex.Progress(), nullptr, vertex.Offline()}; }
  Platform DefaultPlatform() const;
  // Puts sources into their normal form, then applies the build's policies and these, and the lock file. Unknown `invalid nil selector in policy`.
  absl::StatusOr<std::function<absl::Status(pb::SourceOp&)>> PolicyWith(const PolicyList& more) const;
  // What the failed step of `vertex` left, under the ids that are returned, until the build ends. Empty if it left nothing.
  SolveIds KeepFailed(const Digest& vertex);
  // The tree of such an id. Unknown `return reference ID not found`.
  absl::StatusOr<cache::ImmutablePtr> FailedTree(const CancelToken& cancel, const std::string& id);
  // Tells the client once that something was asked for which this daemon does not do: a vertex of its own.
  void Notice(const std::string& text);

 private:
  const EngineParts& parts_;
  solver::Job& job_;
  const std::string session_id_;
  const EntitlementSet entitlements_;
  const PolicyList policies_;
  Admission* const admission_;  // null: nobody waits
  std::once_flag came_;
  std::optional<Admission::Place> place_;
  SourceGate gate_;
  StepRecord steps_;
  Guarded<std::set<std::string>> told_;
  struct FailedMount {
    std::shared_ptr<ops::FailedStep> step;
    size_t mount = 0;
    bool after = false;  // as the step left it
  };
  Guarded<std::map<std::string, FailedMount>> failed_;
};

}  // namespace bk::llb
