// The diff op: what `upper` has over `lower`.
#include "daemon/ops/cache_map.h"
#include "daemon/ops/op_base.h"
#include "daemon/ops/result.h"

namespace bk::ops {
namespace {

constexpr int64_t kNoInput = -1;

class DiffOp : public OpBase {
 public:
  DiffOp(const SharedParts& parts, const OpRequest& request) : OpBase(parts, request) {}

  absl::StatusOr<solver::CacheMap> GetCacheMap(const CancelToken&, solver::OpContext&, int) override { return MakeCacheMap(PlanDiff(request_.op->diff())); }

  absl::StatusOr<std::vector<solver::ResultPtr>> Exec(const CancelToken& cancel, solver::OpContext&, const std::vector<solver::ResultPtr>& inputs) override {
    const pb::DiffOp& op = request_.op->diff();
    size_t next = 0;  // inputs come in order, whatever the indexes say
    auto take = [&](int64_t index, const char* side) -> absl::StatusOr<cache::ImmutablePtr> {
      if (index == kNoInput) return cache::ImmutablePtr();
      if (next >= inputs.size()) return Unknown("invalid ", side, " input index ", next, " for diff op with ", inputs.size(), " inputs");
      const solver::ResultPtr& input = inputs[next++];
      if (input == nullptr) return Unknown("invalid nil ", side, " input for diff op");
      return RefOf(input);
    };
    BK_TRY(cache::ImmutablePtr lower, take(op.lower().input(), "lower"));
    BK_TRY(cache::ImmutablePtr upper, take(op.upper().input(), "upper"));
    cache::ImmutablePtr result;
    if (lower == nullptr) {
      result = upper;  // all of it
    } else if (upper == nullptr || lower->Id() != upper->Id()) {
      BK_ASSIGN(result, parts_.cache->Diff(cancel, lower, upper, {request_.name}));
    }
    return std::vector<solver::ResultPtr>{std::make_shared<RefResult>(std::move(result))};
  }

  absl::StatusOr<Permit> Acquire(const CancelToken&) override { return Permit(); }
};

}  // namespace

absl::StatusOr<OpPtr> MakeDiffOp(const SharedParts& parts, const OpRequest& request) { return std::make_unique<DiffOp>(parts, request); }

}  // namespace bk::ops
