// Whether the daemon has what a definition asks for, checked before it is sent. Pure.
#pragma once

#include "absl/status/status.h"
#include "frontend/gateway.pb.h"

namespace bk::client {

// Unknown, with the reference's text, for the first capability (by name) that we do not know or the daemon does not have.
absl::Status CheckCapabilities(const pb::Definition& definition, const moby::buildkit::v1::frontend::PongResponse& daemon);

}  // namespace bk::client
