// The child's part of the network: interfaces, and the resolv.conf and hosts that belong to them.
#pragma once

#include <string>
#include <vector>

#include "base/status.h"
#include "rootlesskit/stage/options.h"
#include "rootlesskit/stage/protocol.h"

namespace bk::rootlesskit {

// Nothing for the host's network; the loopback for none; for slirp4netns also its interface, and bind mounts of
// <state directory>/resolv.conf and hosts over those in /etc.
absl::Status SetUpNetwork(const Options& options, const NetworkSetup& setup, const std::string& state_dir);

std::string ResolvConfText(const std::vector<std::string>& dns);
// The host's text and this host's name at the loopback addresses.
std::string HostsText(const std::string& hosts, const std::string& hostname);

}  // namespace bk::rootlesskit
