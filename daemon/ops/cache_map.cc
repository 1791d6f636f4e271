#include "daemon/ops/cache_map.h"

#include "daemon/cache/contenthash.h"
#include "daemon/ops/build_error.h"
#include "daemon/ops/fetch_context.h"
#include "daemon/ops/result.h"

namespace bk::ops {
namespace {

solver::ContentFunction ContentOf(const std::vector<Selector>& selectors, const std::string& worker_id) {
  return [selectors, worker_id](const CancelToken& cancel, solver::OpContext& context, const solver::ResultPtr& result) -> absl::StatusOr<Digest> {
    cache::ImmutablePtr ref = RefOf(result);
    cache::FetchContext fetch = FetchOf(context);
    return ContentDigest(selectors, [&](const std::string& path, const contenthash::ChecksumOptions& options) -> absl::StatusOr<Digest> {
      auto digest = cache::Checksum(cancel, fetch, ref, path, options);
      if (!digest.ok()) return Annotate(BuildError(digest.status()), StrCat("failed to calculate checksum of ref ", worker_id, "::", ref == nullptr ? "" : ref->Id()));
      return digest;
    });
  };
}

absl::Status Unlazy(const CancelToken& cancel, solver::OpContext& context, const solver::ResultPtr& result) {
  cache::ImmutablePtr ref = RefOf(result);
  return ref == nullptr ? absl::OkStatus() : ref->Extract(cancel, FetchOf(context));
}

}  // namespace

solver::CacheMap MakeCacheMap(const MapPlan& plan, const std::string& worker_id) {
  solver::CacheMap map;
  map.digest = plan.digest();
  for (const MapDep& dep : plan.deps) {
    solver::CacheMapDep out;
    out.selector = dep.SelectorDigest();
    if (dep.by_content) out.content = ContentOf(dep.content, worker_id);
    if (dep.preprocess) out.preprocess = Unlazy;
    map.deps.push_back(std::move(out));
  }
  return map;
}

}  // namespace bk::ops
