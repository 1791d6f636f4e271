// The source op: a tree from an image, a client's directory, …. Its keys are hashes of what the source says (trap 12).
#include "base/guarded.h"
#include "daemon/ops/build_error.h"
#include "daemon/ops/fetch_context.h"
#include "daemon/ops/op_base.h"
#include "daemon/ops/result.h"

namespace bk::ops {
namespace {

constexpr char kKeyPrefix[] = "buildkit.source.v0:";

class SourceOp : public OpBase {
 public:
  SourceOp(const SharedParts& parts, const OpRequest& request) : OpBase(parts, request) {}

  absl::StatusOr<solver::CacheMap> GetCacheMap(const CancelToken& cancel, solver::OpContext& context, int index) override {
    BK_TRY(auto instance, Instance());
    BK_TRY(source::SourceKey key, instance->CacheKey(cancel, FetchOf(context), index));
    solver::CacheMap map;
    map.digest = DigestOf(kKeyPrefix + key.key);
    // Keys of a session's files mean nothing to other builds: the algorithm keeps them out of every store.
    if (key.key.starts_with("session:")) map.digest = Digest::FromParts("random", map.digest.hex());
    if (!key.pin.empty()) map.pins.push_back(key.pin);
    map.done = key.done;
    return map;
  }

  absl::StatusOr<std::vector<solver::ResultPtr>> Exec(const CancelToken& cancel, solver::OpContext& context, const std::vector<solver::ResultPtr>&) override {
    BK_TRY(auto instance, Instance());
    BK_TRY(cache::ImmutablePtr ref, instance->Snapshot(cancel, FetchOf(context)));
    return std::vector<solver::ResultPtr>{std::make_shared<RefResult>(std::move(ref))};
  }

  absl::StatusOr<Permit> Acquire(const CancelToken& cancel) override { return AcquireSlot(cancel); }

 private:
  // Made once: it remembers what it resolved to.
  absl::StatusOr<std::shared_ptr<source::SourceInstance>> Instance() {
    return instance_.With([&](std::shared_ptr<source::SourceInstance>& instance) -> absl::StatusOr<std::shared_ptr<source::SourceInstance>> {
      if (instance == nullptr) {
        const pb::SourceOp& op = request_.op->source();
        BK_TRY(source::Source * source, parts_.sources->ForIdentifier(op.identifier()));
        source::SourceRequest request{op.identifier(), {op.attrs().begin(), op.attrs().end()}, request_.platform};
        BK_ASSIGN(instance, source->Resolve(request));
      }
      return instance;
    });
  }

  Guarded<std::shared_ptr<source::SourceInstance>> instance_;
};

}  // namespace

absl::StatusOr<OpPtr> MakeSourceOp(const SharedParts& parts, const OpRequest& request) { return std::make_unique<SourceOp>(parts, request); }

}  // namespace bk::ops
