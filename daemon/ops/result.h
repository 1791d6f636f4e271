// The result of an op: a ref. What the solver passes around and stores by id.
#pragma once

#include "daemon/cache/ref.h"
#include "daemon/solver/cache_storage.h"
#include "daemon/solver/op.h"

namespace bk::ops {

// A null ref is the empty tree (id "").
class RefResult : public solver::Result {
 public:
  explicit RefResult(cache::ImmutablePtr ref) : ref_(std::move(ref)) {}
  std::string Id() const override { return ref_ == nullptr ? "" : ref_->Id(); }
  const cache::ImmutablePtr& ref() const { return ref_; }

 private:
  cache::ImmutablePtr ref_;
};

// The ref of a result made by an op of this room; null for no result.
inline cache::ImmutablePtr RefOf(const solver::ResultPtr& result) { return result == nullptr ? nullptr : static_cast<const RefResult&>(*result).ref(); }

// Results by the id of their ref. Thread-safe.
class RefResultStorage : public solver::ResultStorage {
 public:
  explicit RefResultStorage(cache::CacheManager* cache) : cache_(cache) {}
  absl::StatusOr<solver::CacheResult> Save(const solver::Result& result) override;
  // NotFound when the record was pruned.
  absl::StatusOr<solver::ResultPtr> Load(const std::string& id) override;

 private:
  cache::CacheManager* cache_;
};

}  // namespace bk::ops
