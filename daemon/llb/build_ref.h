// A definition bound to a build: computed when somebody first needs it, once.
//
// Thread-safe. Must not outlive its build.
#pragma once

#include <memory>

#include "daemon/llb/build.h"
#include "daemon/llb/load/vertex_load.h"
#include "daemon/llb/mounted_ref.h"

namespace bk::llb {

class BuildRef final : public frontend::Ref {
 public:
  BuildRef(Build& build, std::shared_ptr<const pb::Definition> definition, PolicyList policies = {})
      : build_(build), definition_(std::move(definition)), policies_(std::move(policies)) {}

  const pb::Definition& definition() const override { return *definition_; }
  // As Result, as frontends see it: errors have a Solve detail.
  absl::Status Evaluate(const CancelToken& cancel) override;
  // The tree (null: empty). Several callers wait for one computation; if its caller is cancelled another one goes on.
  // Errors have the details of the vertex and of its place in the source.
  absl::StatusOr<cache::ImmutablePtr> Result(const CancelToken& cancel);
  // Mounted on first use, until the ref ends. Errors as Evaluate's.
  absl::StatusOr<const MountedRef*> Mounted(const CancelToken& cancel);
  // Notes with the build's gate what its sources must not be, without computing anything.
  absl::Status Check(const CancelToken& cancel);
  // For errors about this ref's definition.
  absl::Status Explain(absl::Status status) const;

 private:
  struct State {
    bool running = false, done = false;
    absl::StatusOr<cache::ImmutablePtr> result = cache::ImmutablePtr();
    std::shared_ptr<const LoadedDefinition> loaded;  // kept after a failure only
    SolveIds failed;                                 // of the step that failed
    std::unique_ptr<MountedRef> mounted;
  };
  absl::StatusOr<LoadedDefinition> Load(const CancelToken& cancel) const;
  absl::StatusOr<cache::ImmutablePtr> Compute(const CancelToken& cancel);

  Build& build_;
  const std::shared_ptr<const pb::Definition> definition_;
  const PolicyList policies_;  // beside the build's
  Guarded<State> state_;
};

}  // namespace bk::llb
