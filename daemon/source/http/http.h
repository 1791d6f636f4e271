// http:// and https://: one file from a server, or what a client holds ready at http://buildkit-session/ID (SRC-036 … SRC-049).
//
// A download is a record of the cache that knows its ETag: the next build asks whether it is still the same and takes it
// again. With a checksum nothing is asked at all. Credentials are secrets of the build's sessions; they go to the URL's own
// host only and are part of no key. Thread-safe; calls block. Keys: golden keys/sources.
#pragma once

#include "daemon/registry/http.h"
#include "daemon/source/source.h"

namespace bk::source {

struct HttpSourceOptions {
  registry::HttpClient* client = nullptr;
  session::Manager* sessions = nullptr;
  cache::CacheManager* cache = nullptr;
  int64_t limit_bytes = 0;    // of a file; 0: what fits on the disk
  int64_t backoff_ms = 1000;  // before the first repetition; doubles
};

std::unique_ptr<Source> MakeHttpSource(const HttpSourceOptions& options);

}  // namespace bk::source
