#include "daemon/llb/load/device_check.h"

#include <vector>

namespace bk::llb {
namespace {

// Of a daemon without devices.
absl::Status CheckNone(pb::ExecOp& op) {
  for (const pb::CDIDevice& device : op.cdidevices()) {
    if (!device.optional()) return Unknown("device ", device.name(), " is requested by the build but not allowed (the daemon runs with CDI disabled)");
  }
  op.clear_cdidevices();
  return absl::OkStatus();
}

absl::Status Forbidden(const std::vector<std::string>& names) {
  std::string list;
  for (const std::string& name : names) list += (list.empty() ? "" : ", ") + name;
  return Unknown(names.size() == 1 ? "device " : "devices ", list, names.size() == 1 ? " is" : " are", " requested by the build but not allowed");
}

absl::StatusOr<std::vector<std::string>> Find(cdi::Registry& registry, const std::vector<cdi::Request>& requests) {
  auto found = registry.Find(requests);
  if (!found.ok()) return Unknown(Message(found.status()));  // the code that clients expect
  return found;
}

}  // namespace

absl::Status CheckDevices(pb::ExecOp& op, const EntitlementSet& granted, cdi::Registry* registry) {
  if (op.cdidevices().empty()) return absl::OkStatus();
  if (registry == nullptr) return CheckNone(op);
  if (granted.all_devices) return absl::OkStatus();
  std::vector<pb::CDIDevice> allowed;
  std::vector<cdi::Request> asked;
  for (const pb::CDIDevice& device : op.cdidevices()) {
    auto alias = granted.devices.find(device.name());
    if (alias == granted.devices.end() || alias->second.empty()) {
      asked.push_back({device.name(), device.optional()});
      continue;
    }
    allowed.push_back(device);
    allowed.back().set_name(alias->second);
  }
  BK_TRY(std::vector<std::string> names, Find(*registry, asked));
  std::set<std::string> may;
  if (!names.empty()) {
    std::vector<cdi::Request> grants;
    for (const auto& [name, target] : granted.devices) grants.push_back({name, false});
    BK_TRY(std::vector<std::string> resolved, Find(*registry, grants));
    may.insert(resolved.begin(), resolved.end());
    for (const cdi::Device& device : registry->List()) {
      if (device.auto_allowed) may.insert(device.name);
    }
  }
  std::vector<std::string> forbidden;
  for (std::string& name : names) {
    if (!may.contains(name)) {
      forbidden.push_back(std::move(name));
      continue;
    }
    allowed.emplace_back();
    allowed.back().set_name(std::move(name));
  }
  if (!forbidden.empty()) return Forbidden(forbidden);
  *op.mutable_cdidevices() = {allowed.begin(), allowed.end()};
  return absl::OkStatus();
}

}  // namespace bk::llb
