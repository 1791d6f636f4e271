#include "daemon/llb/entitlements.h"

namespace bk::llb {

absl::StatusOr<std::set<std::string>> GrantEntitlements(const std::vector<std::string>& requested, const std::set<std::string>& allowed) {
  std::set<std::string> granted;
  for (const std::string& text : requested) {
    std::string name = text.substr(0, text.find('='));
    bool has_config = name.size() != text.size();
    bool known = name == "device" || (!has_config && (name == "network.host" || name == "security.insecure"));
    if (!known) return Unknown("unknown entitlement ", text);
    if (!allowed.contains(name)) return Unknown("granting entitlement ", name, " is not allowed by build daemon configuration");
    if (has_config && name == "device") return Unimplemented("entitlement ", text, ": granting single devices is not built yet");
    granted.insert(name);
  }
  return granted;
}

}  // namespace bk::llb
