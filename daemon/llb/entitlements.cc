#include "daemon/llb/entitlements.h"

#include "base/go_parse.h"

namespace bk::llb {
namespace {

constexpr char kDevice[] = "device";

absl::Status GrantDevice(const std::string& config, EntitlementSet& out) {
  if (config.empty()) {
    out.all_devices = true;
    return absl::OkStatus();
  }
  auto fields = ParseCsvLine(config);
  if (!fields.ok() || fields->empty()) return Unknown("invalid device config ", Quote(config));
  std::string alias;
  for (size_t i = 1; i < fields->size(); i++) {
    const std::string& field = (*fields)[i];
    size_t equals = field.find('=');
    if (equals == std::string::npos) return Unknown("invalid device config ", Quote(field));
    if (field.substr(0, equals) != "alias") return Unknown("unknown device config key ", Quote(field.substr(0, equals)));
    alias = field.substr(equals + 1);
  }
  const std::string& name = (*fields)[0];
  if (alias.empty()) {
    out.devices[name] = "";
  } else {
    out.devices[alias] = name;
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<EntitlementSet> GrantEntitlements(const std::vector<std::string>& requested, const std::set<std::string>& allowed) {
  EntitlementSet granted;
  for (const std::string& text : requested) {
    size_t equals = text.find('=');
    std::string name = text.substr(0, equals);
    bool known = name == kDevice || text == "network.host" || text == "security.insecure";
    if (!known) return Unknown("unknown entitlement ", text);
    if (name == kDevice) BK_RETURN_IF_ERROR(GrantDevice(equals == std::string::npos ? "" : text.substr(equals + 1), granted));
    if (!allowed.contains(name)) return Unknown("granting entitlement ", name, " is not allowed by build daemon configuration");
    granted.names.insert(std::move(name));
  }
  return granted;
}

}  // namespace bk::llb
