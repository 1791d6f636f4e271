// The merge op: trees laid over one another, later ones on top.
#include "daemon/ops/cache_map.h"
#include "daemon/ops/op_base.h"
#include "daemon/ops/result.h"

namespace bk::ops {
namespace {

class MergeOp : public OpBase {
 public:
  MergeOp(const SharedParts& parts, const OpRequest& request) : OpBase(parts, request) {}

  absl::StatusOr<solver::CacheMap> GetCacheMap(const CancelToken&, solver::OpContext&, int) override { return MakeCacheMap(PlanMerge(request_.op->merge())); }

  absl::StatusOr<std::vector<solver::ResultPtr>> Exec(const CancelToken& cancel, solver::OpContext&, const std::vector<solver::ResultPtr>& inputs) override {
    std::vector<cache::ImmutablePtr> refs;
    for (const solver::ResultPtr& input : inputs) {
      if (cache::ImmutablePtr ref = RefOf(input)) refs.push_back(std::move(ref));
    }
    cache::ImmutablePtr merged = refs.size() == 1 ? refs[0] : nullptr;  // of nothing: the empty tree
    if (refs.size() > 1) BK_ASSIGN(merged, parts_.cache->Merge(cancel, refs, {request_.name}));
    return std::vector<solver::ResultPtr>{std::make_shared<RefResult>(std::move(merged))};
  }

  absl::StatusOr<Permit> Acquire(const CancelToken&) override { return Permit(); }
};

}  // namespace

absl::StatusOr<OpPtr> MakeMergeOp(const SharedParts& parts, const OpRequest& request) {
  return std::make_unique<MergeOp>(parts, request);
}

}  // namespace bk::ops
