// What the kinds of ops share, and how each is made (one row each in table.cc).
#pragma once

#include <memory>

#include "daemon/ops/cache_map.h"
#include "daemon/ops/cache_mounts.h"
#include "daemon/ops/failed_steps.h"
#include "daemon/ops/ops.h"

namespace bk::ops {

using OpPtr = std::unique_ptr<solver::Op>;

// With what the ops of one daemon share among themselves.
struct SharedParts : OpParts {
  CacheMounts* cache_mounts = nullptr;
  FailedSteps* failed_steps = nullptr;
};

absl::StatusOr<OpPtr> MakeSourceOp(const SharedParts& parts, const OpRequest& request);
absl::StatusOr<OpPtr> MakeExecOp(const SharedParts& parts, const OpRequest& request);
absl::StatusOr<OpPtr> MakeFileOp(const SharedParts& parts, const OpRequest& request);
absl::StatusOr<OpPtr> MakeMergeOp(const SharedParts& parts, const OpRequest& request);
absl::StatusOr<OpPtr> MakeDiffOp(const SharedParts& parts, const OpRequest& request);
absl::StatusOr<OpPtr> MakePassthroughOp(const SharedParts& parts, const OpRequest& request);
absl::StatusOr<OpPtr> MakeBuildOp(const SharedParts& parts, const OpRequest& request);

// An op of `request` with the parts of the daemon.
class OpBase : public solver::Op {
 protected:
  OpBase(const SharedParts& parts, const OpRequest& request) : parts_(parts), request_(request) {}
  int inputs() const { return request_.op->inputs_size(); }
  // A slot of the daemon's parallelism.
  absl::StatusOr<Permit> AcquireSlot(const CancelToken& cancel) {
    return parts_.parallelism == nullptr ? absl::StatusOr<Permit>(Permit()) : parts_.parallelism->Acquire(cancel);
  }
  MapParts ForMap() const { return {parts_.worker_id, parts_.failed_steps, failures_}; }

  SharedParts parts_;
  OpRequest request_;
  const std::shared_ptr<FailedSteps::Slot> failures_ = std::make_shared<FailedSteps::Slot>();
};

}  // namespace bk::ops
