// What a build may do beyond the ordinary: requested by the client, allowed by the daemon's configuration.
//
// Thread-safe (functions).
#pragma once

#include <set>
#include <string>
#include <vector>

#include "base/status.h"

namespace bk::llb {

// The names granted ("network.host", "security.insecure", "device"). Unknown for a name that is none and for one that
// `allowed` lacks.
absl::StatusOr<std::set<std::string>> GrantEntitlements(const std::vector<std::string>& requested, const std::set<std::string>& allowed);

}  // namespace bk::llb
