// Cache imports and exports as the daemon is told of them, with the local directories behind them.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "client/solve/options.h"

namespace bk::client {

struct CacheStores {
  std::vector<CacheEntry> exports, imports;                 // imports that cannot be used are left out
  std::map<std::string, std::shared_ptr<BlobStore>> stores;  // "local:DIR" → blobs
  std::map<std::string, std::string> tags;                  // directory of a local export → tag in its index.json
  std::string imports_json;                                 // for the frontend; "" if there are none
};

// Fills the digest of local imports in (also in `imports`). Warns on stderr about imports that are not there.
absl::StatusOr<CacheStores> OpenCacheStores(const std::vector<CacheEntry>& exports, std::vector<CacheEntry>& imports);

}  // namespace bk::client
