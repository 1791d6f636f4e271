// The network modes that a worker can have, and the provider of each. docs/buildkitd.md has the same order.
#pragma once

#include <memory>
#include <string>

#include "sandbox/net/provider.h"

namespace bk::net {

struct NetworkOptions {
  std::string mode = "auto";  // auto (ResolveMode), host, none, cni or bridge
  std::string dir;            // state, absolute; of one daemon at a time
  std::string config_path;    // of cni: a list if it ends with .conflist, else one plugin's configuration
  std::string plugin_dir;
  int pool_size = 0;
  std::string bridge_name = "buildkit0", bridge_subnet = "10.10.0.0/16";
  bool bridge_auto = false;  // BUILDKIT_NETWORK_BRIDGE_AUTO
  bool rootless = false;
  std::string init_lock;  // a file that daemons of one host lock in turn while they make their first network; "" = none
};

// "host", "none", "cni" or "bridge"; of auto, which depends on what is there just now: bridge if that is wanted, cni if its configuration is there, else host.
std::string ResolveMode(const NetworkOptions& options);

// Null for host and none. InvalidArgument or FailedPrecondition when a configuration cannot be read or means nothing; whether
// the plugins work shows with the first step. Networks that an earlier daemon left in `dir` are removed meanwhile.
absl::StatusOr<std::unique_ptr<Provider>> MakeProvider(const NetworkOptions& options);

}  // namespace bk::net
