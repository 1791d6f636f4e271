// Makes the containers of frontends (daemon/frontend/container.h) from trees of the cache.
//
// Thread-safe.
#pragma once

#include <memory>
#include <set>
#include <string>
#include <vector>

#include "daemon/cache/ref.h"
#include "daemon/frontend/container.h"
#include "daemon/session/session.h"

namespace bk::exec {
class Executor;
}
namespace bk::ops {
class CacheMounts;
}

namespace bk::frontend {

// What a daemon offers its containers; borrowed, must outlive them.
struct ContainerParts {
  cache::CacheManager* cache = nullptr;
  session::Manager* sessions = nullptr;
  ops::CacheMounts* cache_mounts = nullptr;
  exec::Executor* executor = nullptr;
  std::string trace_socket;  // path of the trace socket that processes see; "" = none
};

// A request whose trees are there.
struct ContainerOrder {
  ContainerRequest request;
  std::vector<cache::ImmutablePtr> trees;  // of each mount; null: empty
  cache::FetchContext fetch;               // the sessions of the build
  std::set<std::string> entitlements;      // of the build: asked again for every process (CVE-2024-23653)
};

class ContainerMaker {
 public:
  virtual ~ContainerMaker() = default;
  // Mounts everything; nothing runs yet. Unknown with the reference's texts for mounts and hosts that make no sense.
  virtual absl::StatusOr<std::unique_ptr<Container>> Make(const CancelToken& cancel, ContainerOrder order) = 0;
};

std::unique_ptr<ContainerMaker> MakeContainerMaker(const ContainerParts& parts);

}  // namespace bk::frontend
