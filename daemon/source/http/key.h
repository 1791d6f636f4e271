// Keys of downloads: what the solver hashes, and under what the cache finds an earlier download of the same request.
//
// Neither holds a secret, only a secret's name. Values; thread-safe. Golden: keys/sources.
#pragma once

#include <optional>
#include <string>

#include "daemon/source/identifier.h"

namespace bk::source::http {

// What a URL resolved to.
struct Resolved {
  Digest digest;
  std::string filename;
  std::optional<int64_t> last_modified;  // seconds; absent with a checksum
};

// The digest of JSON text as the reference hashes it (trap 4).
Digest CacheKeyOf(const HttpIdentifier& id, const Resolved& resolved);
// Of everything that makes another tree or another request, but not of the content.
Digest RequestKeyOf(const HttpIdentifier& id);

}  // namespace bk::source::http
