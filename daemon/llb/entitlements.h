// What a build may do beyond the ordinary: requested by the client, allowed by the daemon's configuration.
//
// Thread-safe (functions).
#pragma once

#include <set>
#include <string>
#include <vector>

#include "base/status.h"
#include "daemon/llb/load/entitlement_set.h"

namespace bk::llb {

// What of "network.host", "security.insecure", "device" and "device=NAME[,alias=OTHER]" is granted. Unknown for a name that is
// none and for one that `allowed` lacks.
absl::StatusOr<EntitlementSet> GrantEntitlements(const std::vector<std::string>& requested, const std::set<std::string>& allowed);

}  // namespace bk::llb
