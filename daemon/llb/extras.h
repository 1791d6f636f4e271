// What clients ask for beside the build itself: attestations, cache exports. None is built yet; a request that would
// change the result is refused, any other becomes a notice that the client sees.
//
// Thread-safe (functions).
#pragma once

#include <map>
#include <string>
#include <vector>

#include "daemon/frontend/bridge.h"

namespace bk::llb {

// Notices about attestations in `attrs` ("attest:provenance", "build-arg:BUILDKIT_ATTEST_SBOM"). buildx's default
// (provenance mode=min, inline-only) gives none. Unknown with the reference's texts for wrong values.
absl::StatusOr<std::vector<std::string>> CheckAttestations(const std::map<std::string, std::string>& attrs);

// Notices about cache exports. Unimplemented for inline ones (they are part of the image), Unknown for unknown types.
absl::StatusOr<std::vector<std::string>> CheckCacheExports(const std::vector<frontend::CacheImport>& exports);

}  // namespace bk::llb
