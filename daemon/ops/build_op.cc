// The build op, as far as it is built: which builders there are.
//
// Building a graph that a step made needs the bridge of the build that asks, which ops do not have yet; such an op is refused when it is
// loaded. One of another builder is refused when it runs, as clients know it: with its vertex.
#include "daemon/ops/cache_map.h"
#include "daemon/ops/op_base.h"

namespace bk::ops {
namespace {

constexpr int64_t kLlbBuilder = -1;

class ForeignBuildOp : public OpBase {
 public:
  ForeignBuildOp(const SharedParts& parts, const OpRequest& request) : OpBase(parts, request) {}

  absl::StatusOr<solver::CacheMap> GetCacheMap(const CancelToken&, solver::OpContext&, int) override { return MakeCacheMap(PlanBuild(request_.op->build(), inputs())); }
  absl::StatusOr<std::vector<solver::ResultPtr>> Exec(const CancelToken&, solver::OpContext&, const std::vector<solver::ResultPtr>&) override {
    return Unknown("only LLB builder is currently allowed");
  }
  absl::StatusOr<Permit> Acquire(const CancelToken&) override { return Permit(); }
};

}  // namespace

absl::StatusOr<OpPtr> MakeBuildOp(const SharedParts& parts, const OpRequest& request) {
  if (request.op->build().builder() == kLlbBuilder) return Unimplemented("op of kind build is not built yet");
  return std::make_unique<ForeignBuildOp>(parts, request);
}

}  // namespace bk::ops
