#include "daemon/ops/cache_map.h"

#include "daemon/cache/contenthash.h"
#include "daemon/ops/build_error.h"
#include "daemon/ops/fetch_context.h"
#include "daemon/ops/result.h"

namespace bk::ops {
namespace {

solver::ContentFunction ContentOf(const std::vector<Selector>& selectors, const MapParts& parts, size_t input) {
  return [selectors, parts, input](const CancelToken& cancel, solver::OpContext& context, const solver::ResultPtr& result) -> absl::StatusOr<Digest> {
    cache::ImmutablePtr ref = RefOf(result);
    cache::FetchContext fetch = FetchOf(context);
    auto content = ContentDigest(selectors, [&](const std::string& path, const contenthash::ChecksumOptions& options) -> absl::StatusOr<Digest> {
      auto digest = cache::Checksum(cancel, fetch, ref, path, options);
      if (!digest.ok()) return Annotate(BuildError(digest.status()), StrCat("failed to calculate checksum of ref ", parts.worker_id, "::", ref == nullptr ? "" : ref->Id()));
      return digest;
    });
    if (!content.ok() && !cancel.cancelled() && parts.failed_steps != nullptr) {
      parts.failures->Keep(*parts.failed_steps, context.Progress().vertex(), MakeFailedStep({FailedSubject::Kind::kContentKey, input}, {ref}, {}));
    }
    return content;
  };
}

absl::Status Unlazy(const CancelToken& cancel, solver::OpContext& context, const solver::ResultPtr& result) {
  cache::ImmutablePtr ref = RefOf(result);
  return ref == nullptr ? absl::OkStatus() : ref->Extract(cancel, FetchOf(context));
}

}  // namespace

solver::CacheMap MakeCacheMap(const MapPlan& plan, const MapParts& parts) {
  solver::CacheMap map;
  map.digest = plan.digest();
  for (const MapDep& dep : plan.deps) {
    solver::CacheMapDep out;
    out.selector = dep.SelectorDigest();
    if (dep.by_content) out.content = ContentOf(dep.content, parts, map.deps.size());
    if (dep.preprocess) out.preprocess = Unlazy;
    map.deps.push_back(std::move(out));
  }
  return map;
}

}  // namespace bk::ops
