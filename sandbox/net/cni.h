// Runs CNI plugins: programs that read their configuration and answer in JSON. Blocks; a plugin that takes longer than a
// minute is ended. Thread-safe.
#pragma once

#include <string>
#include <vector>

#include "base/cancel.h"
#include "base/status.h"
#include "sandbox/net/network_list.h"

namespace bk::net {

// One interface (eth0) of one namespace in one network.
struct Attachment {
  std::string id;        // CNI_CONTAINERID
  std::string netns;     // path; "" = the namespace is gone (DEL only)
  std::string hostname;  // told to plugins that give names (K8S_POD_NAME), "" = none
  std::vector<std::string> plugin_dirs;
};

// ADD of each plugin in order: the last one's result, JSON. Unknown `plugin type="TYPE" failed (add): …`; what the plugins
// before it made is not taken away.
absl::StatusOr<std::string> AddNetwork(const CancelToken& cancel, const NetworkList& list, const Attachment& attachment);
// DEL of each plugin, last first, the others too when one fails: the first failure. `result`: of AddNetwork, "" = it failed.
absl::Status DelNetwork(const NetworkList& list, const Attachment& attachment, const std::string& result);

}  // namespace bk::net
