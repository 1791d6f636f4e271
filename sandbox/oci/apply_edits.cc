// The edits of devices in a step's configuration, in the order and with the rules of the CDI library.
#include <algorithm>

#include "base/path.h"
#include "sandbox/oci/spec.h"

namespace bk::oci {
namespace {

// A variable that is there already changes in its place.
void SetEnv(std::vector<std::string>& env, const std::string& entry) {
  std::string name = entry.substr(0, entry.find('=') + 1);
  auto same = std::find_if(env.rbegin(), env.rend(), [&](const std::string& e) { return e.starts_with(name); });
  if (same != env.rend()) {
    *same = entry;
  } else {
    env.push_back(entry);
  }
}

void AddDevice(const exec::DeviceNode& node, bool device_filter, Spec& spec) {
  SpecDevice device{node.path, node.type, node.major, node.minor, node.mode, node.uid, node.gid};
  if (!device.uid && spec.uid > 0) device.uid = spec.uid;
  if (!device.gid && spec.gid > 0) device.gid = spec.gid;
  std::erase_if(spec.devices, [&](const SpecDevice& other) { return other.path == device.path; });
  spec.devices.push_back(device);
  if (!device_filter || !spec.resources || (node.type != "b" && node.type != "c")) return;
  spec.resources->devices.push_back({true, node.type, node.access.empty() ? "rwm" : node.access, node.major, node.minor});
}

}  // namespace

void ApplyEdits(const exec::ContainerEdits& edits, bool device_filter, Spec& spec) {
  for (const std::string& entry : edits.env) SetEnv(spec.env, entry);
  for (const exec::DeviceNode& node : edits.devices) AddDevice(node, device_filter, spec);
  for (const exec::NetDevice& device : edits.net_devices) spec.net_devices[device.host_name] = device.name;
  for (const exec::DeviceMount& mount : edits.mounts) {
    auto same = std::find_if(spec.mounts.begin(), spec.mounts.end(), [&](const SpecMount& m) { return m.destination == mount.container_path; });
    if (same != spec.mounts.end()) spec.mounts.erase(same);
    spec.mounts.push_back({mount.container_path, mount.type, mount.host_path, mount.options});
  }
  if (!edits.mounts.empty()) {
    auto parts = [](const SpecMount& m) {
      std::string clean = CleanPath(m.destination);
      return std::count(clean.begin(), clean.end(), '/');
    };
    std::stable_sort(spec.mounts.begin(), spec.mounts.end(), [&](const SpecMount& a, const SpecMount& b) { return parts(a) < parts(b); });
  }
  for (const auto& [name, hook] : edits.hooks) spec.hooks[name].push_back(hook);
  if (edits.rdt) spec.rdt = edits.rdt;
  for (uint32_t gid : edits.additional_gids) {
    auto& groups = spec.additional_gids;
    if (gid != 0 && std::find(groups.begin(), groups.end(), gid) == groups.end()) groups.push_back(gid);
  }
}

}  // namespace bk::oci
