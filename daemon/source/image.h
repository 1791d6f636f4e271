// docker-image:// and oci-layout://: images as lazy refs (SRC-005 … SRC-021).
//
// Two cache keys: the main manifest with platform and limit, then the chain of diff ids (trap 12). Thread-safe.
#pragma once

#include "daemon/cache/known_values.h"
#include "daemon/source/image_pull.h"
#include "daemon/source/source.h"

namespace bk::registry {
class Registry;
}

namespace bk::source {

struct ImageSourceOptions {
  registry::Registry* registry = nullptr;
  session::Manager* sessions = nullptr;
  cache::CacheManager* cache = nullptr;
  content::ContentStore* content = nullptr;
  cache::KnownValues* known = nullptr;  // null: builds that may not ask registries know digests only
};

std::unique_ptr<Source> MakeImageSource(const ImageSourceOptions& options);
std::unique_ptr<Source> MakeOciLayoutSource(const ImageSourceOptions& options);

// Builds that may not ask the registry get what it said last, as far as its documents are kept.
OriginPtr MakeRegistryOrigin(const ImageSourceOptions& options);
// A store that a client serves: of the session `session_id`, or of any session of the build when empty.
OriginPtr MakeOciLayoutOrigin(session::Manager* sessions, content::ContentStore* content, std::string session_id, std::string store_id);

}  // namespace bk::source
