// A CNI network configuration: plugins that make and take away one interface of a network namespace, in their order.
//
// Values, tested without root. Source: github.com/containernetworking/cni, SPEC.md (1.0.0), and libcni's behaviour where it
// leaves something open. Thread-safe.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"

namespace bk::net {

struct Plugin {
  std::string type;    // the program's name
  std::string config;  // JSON object
};

struct NetworkList {
  std::string name, version;  // of all plugins; "" = none said
  std::vector<Plugin> plugins;
};

// A list ("plugins": […], files named .conflist) or one plugin's configuration, as `is_list` says. InvalidArgument without the
// file's name.
absl::StatusOr<NetworkList> ParseNetworkList(std::string_view json, bool is_list);
// The same list as text, for a later process.
std::string NetworkListJson(const NetworkList& list);

struct Bridge {
  std::string name, subnet;  // "buildkit0", "10.10.0.0/16"
  // Programs' names.
  std::string bridge = "bridge", host_local = "host-local", firewall = "firewall";
  std::string firewall_backend, data_dir;  // of the firewall, of addresses that are taken; "" = the plugin's choice
};
NetworkList BridgeList(const Bridge& bridge);

// What a plugin reads: its configuration with the list's name and version, and `previous_result` (JSON, "" = none).
std::string PluginInput(const NetworkList& list, const Plugin& plugin, const std::string& previous_result);
// Whether DEL is told the result of ADD: from version 0.4.0 on.
bool DelTakesResult(const NetworkList& list);

}  // namespace bk::net
