// Where cache keys live: links from the keys of inputs to the key of what was made of them, and results by key.
//
// A key is a string id. The id of a root is a hash of its digest and output; any other id is random and found again only
// through links (golden keys/cachekeys). Implementations are thread-safe and must not block for long.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "base/digest.h"

namespace bk::solver {

struct CacheLink {
  int input = 0;
  int output = 0;
  std::string digest;    // of the op that follows
  std::string selector;  // "" = none
  auto operator<=>(const CacheLink&) const = default;
};

struct CacheResult {
  std::string id;  // of the result's storage
  int64_t created_ns = 0;
};

class CacheKeyStorage {
 public:
  virtual ~CacheKeyStorage() = default;
  // Ids that `link` leads to from `id`.
  virtual std::vector<std::string> Links(const std::string& id, const CacheLink& link) = 0;
  virtual void AddLink(const std::string& id, const CacheLink& link, const std::string& target) = 0;
  virtual std::vector<CacheResult> Results(const std::string& id) = 0;  // newest first
  virtual void AddResult(const std::string& id, const CacheResult& result) = 0;
  // Forgets a result wherever it is.
  virtual void RemoveResult(const std::string& result_id) = 0;
};

// Everything in memory; also the base of the persistent one.
class MemoryCacheKeyStorage;

// Turns results into ids and back.
class ResultStorage {
 public:
  virtual ~ResultStorage() = default;
  virtual absl::StatusOr<CacheResult> Save(const class Result& result) = 0;
  virtual absl::StatusOr<std::shared_ptr<const Result>> Load(const std::string& id) = 0;
};

}  // namespace bk::solver
