// git://: a commit of a repository, fetched through the git program (SRC-050 … SRC-072).
//
// Remotes: http, https, ssh and git. Repositories are kept bare, one a remote (shared_repository.h); trees by commit, so that
// a commit that is known costs nothing, and an unchanged ref one question to its server. Thread-safe.
#pragma once

#include "daemon/cache/known_values.h"
#include "daemon/source/image.h"
#include "daemon/source/source.h"

namespace bk::source {

struct GitSourceOptions {
  session::Manager* sessions = nullptr;
  cache::CacheManager* cache = nullptr;
  cache::KnownValues* known = nullptr;  // null: builds that may not ask remotes know commits only
  // Where bundles come from.
  registry::Registry* registry = nullptr;
  content::ContentStore* content = nullptr;
  uint64_t limit_bytes = 0;  // of any file of a repository; 0: what fits on the disk
};

std::unique_ptr<Source> MakeGitSource(const GitSourceOptions& options);

}  // namespace bk::source
