#include "daemon/ops/result.h"

namespace bk::ops {

absl::StatusOr<solver::CacheResult> RefResultStorage::Save(const solver::Result& result) {
  const cache::ImmutablePtr& ref = static_cast<const RefResult&>(result).ref();
  return solver::CacheResult{result.Id(), ref == nullptr ? solver::NowNs() : ref->CreatedNs()};
}

absl::StatusOr<solver::ResultPtr> RefResultStorage::Load(const std::string& id) {
  if (id.empty()) return solver::ResultPtr(std::make_shared<RefResult>(nullptr));
  BK_TRY(cache::ImmutablePtr ref, cache_->Get(CancelToken::Never(), id));
  return solver::ResultPtr(std::make_shared<RefResult>(std::move(ref)));
}

}  // namespace bk::ops
