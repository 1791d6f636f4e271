// The passthrough op: its outputs are its inputs.
#include "daemon/ops/cache_map.h"
#include "daemon/ops/op_base.h"

namespace bk::ops {
namespace {

class PassthroughOp : public OpBase {
 public:
  PassthroughOp(const SharedParts& parts, const OpRequest& request) : OpBase(parts, request) {}

  absl::StatusOr<solver::CacheMap> GetCacheMap(const CancelToken&, solver::OpContext&, int) override {
    return MakeCacheMap(PlanPassthrough(request_.op->passthrough(), inputs()));
  }

  absl::StatusOr<std::vector<solver::ResultPtr>> Exec(const CancelToken&, solver::OpContext&, const std::vector<solver::ResultPtr>& inputs) override {
    std::vector<solver::ResultPtr> outputs;
    for (int64_t index : request_.op->passthrough().outputs()) {
      if (index < 0 || index >= static_cast<int64_t>(inputs.size())) return Unknown("invalid passthrough output input index ", index);
      outputs.push_back(inputs[static_cast<size_t>(index)]);
    }
    return outputs;
  }

  absl::StatusOr<Permit> Acquire(const CancelToken&) override { return Permit(); }
};

}  // namespace

absl::StatusOr<OpPtr> MakePassthroughOp(const SharedParts& parts, const OpRequest& request) { return std::make_unique<PassthroughOp>(parts, request); }

}  // namespace bk::ops
