// The build as frontends do it, with the client as the frontend: ask the daemon to solve, hand the result back (trap 1).
//
// All calls carry the build's id, by which the daemon finds the Control.Solve they belong to; it waits for that one.
#pragma once

#include <string>
#include <vector>

#include "client/conn/link.h"
#include "client/solve/options.h"

namespace bk::client {

struct GatewayRequest {
  std::string ref;
  std::string frontend;
  Attributes attrs;
  std::optional<pb::Definition> definition;
  std::vector<CacheEntry> cache_imports;
};

// Ping, Solve, Return. A failed Solve is returned to the daemon, which then ends the build with the same error. The
// metadata of the result when a subrequest was asked for.
absl::StatusOr<Attributes> RunGateway(const CancelToken& cancel, Link& link, const GatewayRequest& request);

}  // namespace bk::client
