// What was granted to a build, beside the ordinary. A value.
#pragma once

#include <map>
#include <set>
#include <string>

namespace bk::llb {

struct EntitlementSet {
  std::set<std::string> names;  // "network.host", "security.insecure", "device"
  bool all_devices = false;
  std::map<std::string, std::string> devices;  // names to use, as a build may ask for them, or alias → name

  bool contains(const std::string& name) const { return names.contains(name); }
};

}  // namespace bk::llb
