// The file of --source-policy-file: rules over the sources of a build, as JSON. Pure.
#pragma once

#include <string>

#include "base/status.h"
#include "policy/policy.pb.h"

namespace bk::client {

// Keys of the contract, in any case; others are passed over, as in the reference. Actions and the like by name or number.
// InvalidArgument `json: …`.
absl::StatusOr<moby::buildkit::v1::sourcepolicy::Policy> ParseSourcePolicy(const std::string& text);

}  // namespace bk::client
