// Where cache keys live: links from the keys of inputs to the key of what was made of them, and results by key.
//
// A key is a string id. The id of a root is a hash of its digest and output; any other id is random and found again only
// through links (golden keys/cachekeys). Implementations are thread-safe and must not block for long.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>
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
  // Forgets a result wherever it is, and keys that then have neither results nor links, as far up as that holds.
  virtual void RemoveResult(const std::string& result_id) = 0;
  // Does the key have a result, or lead to one that is known?
  virtual bool Exists(const std::string& id) = 0;
  // Every key that Exists or is led to.
  virtual std::vector<std::string> Ids() = 0;
  // Keys that lead to `id`, with the link.
  virtual std::vector<std::pair<std::string, CacheLink>> Backlinks(const std::string& id) = 0;
  // Keys that hold the result.
  virtual std::vector<std::string> IdsByResult(const std::string& result_id) = 0;
  // Returns when what this thread added survives the end of the process. May block; op threads only.
  virtual void Flush() {}
};

// Everything in memory; also the base of the persistent one.
class MemoryCacheKeyStorage;

// Turns results into ids and back.
class ResultStorage {
 public:
  virtual ~ResultStorage() = default;
  virtual absl::StatusOr<CacheResult> Save(const class Result& result) = 0;
  // NotFound when it is gone.
  virtual absl::StatusOr<std::shared_ptr<const Result>> Load(const std::string& id) = 0;
  // False: Load would say NotFound. Must be quick (the scheduler asks); true when that would cost more than trying.
  virtual bool Exists(const std::string& /*id*/) { return true; }
};

}  // namespace bk::solver
