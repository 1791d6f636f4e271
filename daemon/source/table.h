// Every source there is, by scheme. See source.h for the interface.
#pragma once

#include "daemon/source/image.h"
#include "daemon/source/local.h"

namespace bk::source {

struct SourceDependencies {
  registry::Registry* registry = nullptr;
  session::Manager* sessions = nullptr;
  cache::CacheManager* cache = nullptr;
  content::ContentStore* content = nullptr;
  cache::KnownValues* known = nullptr;
};

// What is pointed at must outlive the manager.
std::unique_ptr<SourceManager> MakeSourceManager(const SourceDependencies& dependencies);

}  // namespace bk::source
