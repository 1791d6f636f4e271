// What a device of the Container Device Interface changes in a step: variables, nodes, mounts, hooks, groups.
//
// Plain values with the names of the CDI specification (containerEdits).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace bk::exec {

struct DeviceNode {
  std::string path, type;  // "b", "c", "u", "p"
  int64_t major = 0, minor = 0;
  std::optional<uint32_t> mode, uid, gid;
  std::string access;  // of "rwm"
};

struct DeviceMount {
  std::string host_path, container_path, type;
  std::vector<std::string> options;
};

struct Hook {
  std::string path;
  std::vector<std::string> args, env;
  std::optional<int64_t> timeout_s;
};

struct NetDevice {
  std::string host_name, name;
};

struct IntelRdt {
  std::string closid, l3_cache_schema, mem_bw_schema;
  std::vector<std::string> schemata;
  bool enable_monitoring = false;
};

struct ContainerEdits {
  std::vector<std::string> env;
  std::vector<DeviceNode> devices;
  std::vector<NetDevice> net_devices;
  std::vector<DeviceMount> mounts;
  std::vector<std::pair<std::string, Hook>> hooks;  // by name: "createContainer", …
  std::optional<IntelRdt> rdt;
  std::vector<uint32_t> additional_gids;

  bool empty() const {
    return env.empty() && devices.empty() && net_devices.empty() && mounts.empty() && hooks.empty() && !rdt && additional_gids.empty();
  }
};

}  // namespace bk::exec
