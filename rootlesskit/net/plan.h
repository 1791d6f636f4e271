// What --net and its flags mean: checked, programs found, nothing started yet.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/status.h"
#include "rootlesskit/net/cidr.h"
#include "rootlesskit/stage/options.h"
#include "rootlesskit/stage/protocol.h"

namespace bk::rootlesskit {

enum class NetworkDriver { kHost, kNone, kSlirp4netns };

struct NetworkPlan {
  NetworkDriver driver = NetworkDriver::kHost;
  // slirp4netns only:
  std::string binary;  // found in PATH
  int mtu = 0;
  std::string device;
  std::optional<IpNetwork> cidr;
  bool disable_host_loopback = false, sandbox = false, seccomp = false, ipv6 = false;
};

// Warns as rootlesskit does. InvalidArgument for wrong values, Unimplemented for drivers that are not built (by name),
// NotFound with kNoSlirp4netns when the program is missing or too old. May run `slirp4netns --help`.
absl::StatusOr<NetworkPlan> PlanNetwork(const Options& options);
// Addresses that slirp4netns uses: base + 100 (ours), + 2 (gateway), + 3 (name server).
absl::StatusOr<NetworkSetup> SetupFor(const NetworkPlan& plan);

}  // namespace bk::rootlesskit
