// Content checksums of paths in a ref, byte for byte the reference's (trap 5; golden keys/contenthash).
//
// Records of a ref are kept with it (protobuf contenthash.CacheRecords) and extended as paths are asked for. Blocks on
// file reads of the mounted ref. Thread-safe; calls on one ref are serialised.
#pragma once

#include <string>
#include <vector>

#include "daemon/cache/ref.h"

namespace bk::cache {

struct ChecksumOptions {
  bool follow_links = false;  // a final link
  bool wildcard = false;
  std::vector<std::string> include_patterns, exclude_patterns;
};

// NotFound with the reference's text when the path is missing. `ref` null: an empty tree.
absl::StatusOr<Digest> Checksum(const CancelToken& cancel, const FetchContext& fetch, const ImmutablePtr& ref, const std::string& path, const ChecksumOptions& options);

}  // namespace bk::cache
