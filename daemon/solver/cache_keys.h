// Cache keys over a storage of links and results: finding them, naming them, storing results under them.
//
// A key without inputs is named by its digest and output ("root"); any other one by whatever id the links of its inputs
// lead to, or by a new random id (golden keys/cachekeys). Thread-safe except for the keys themselves: a key whose id is not
// known yet belongs to one thread. A key all of whose ways go through "random:" keys is "random:" itself and so never
// persisted (trap 12).
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "daemon/solver/cache_storage.h"
#include "daemon/solver/op.h"

namespace bk::solver {

struct CacheKey;
using CacheKeyPtr = std::shared_ptr<CacheKey>;

struct KeyWithSelector {
  CacheKeyPtr key;
  std::string selector;  // "" = none
};

struct CacheKey {
  std::string id;  // "" = to be found out from `inputs`
  std::string digest;
  int output = 0;
  std::vector<std::vector<KeyWithSelector>> inputs;  // alternatives of each input; empty for roots and for keys that were found
};

struct CacheRecord {
  std::string key_id;
  CacheResult result;
};

// Id of a key without inputs; output -1 for the digest of a content.
std::string RootKeyId(const Digest& digest, int output);
CacheKeyPtr RootKey(const Digest& digest, int output);
// A key by the id that it was found or stored with.
CacheKeyPtr FoundKey(std::string id);

class CacheKeys {
 public:
  CacheKeys(CacheKeyStorage* storage, ResultStorage* results) : storage_(storage), results_(results) {}

  std::string IdOf(CacheKey& key) const;
  // Ids that any of `inputs` (keys of one input) leads to; links the others of them to what was found. With no `inputs`:
  // the root key of `digest`, if something is known of it.
  std::vector<std::string> Query(const std::vector<KeyWithSelector>& inputs, int input, const std::string& digest, int output) const;
  // Stored results of a key, newest first; those that are gone are forgotten.
  std::vector<CacheRecord> Records(const std::string& id) const;
  // NotFound if the record or its result is gone (it is forgotten then).
  absl::StatusOr<ResultPtr> Load(const CacheRecord& record) const;
  // Stores the result and makes sure that every key it depends on leads to it. Blocks until that survives the process.
  absl::StatusOr<CacheRecord> Save(CacheKey& key, const Result& result) const;
  absl::StatusOr<std::vector<CacheRecord>> Save(const std::vector<CacheKeyPtr>& keys, const Result& result) const;
  // Forgets results whose storage is gone.
  void ReleaseUnreferenced() const;

  CacheKeyStorage& storage() const { return *storage_; }

 private:
  std::string IdFromInputs(const CacheKey& key) const;
  void EnsureLinks(CacheKey& key) const;

  CacheKeyStorage* storage_;
  ResultStorage* results_;
};

}  // namespace bk::solver
