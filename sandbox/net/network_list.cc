#include "sandbox/net/network_list.h"

#include <cstdio>
#include <nlohmann/json.hpp>

namespace bk::net {
namespace {

using Json = nlohmann::ordered_json;

absl::StatusOr<std::string> TextOf(const Json& object, const char* key) {
  if (!object.contains(key)) return std::string();
  if (!object[key].is_string()) return InvalidArgument(Quote(key), " is no text");
  return object[key].get<std::string>();
}

absl::StatusOr<Plugin> ParsePlugin(const Json& config) {
  if (!config.is_object()) return InvalidArgument("a plugin's configuration is no object");
  BK_TRY(std::string type, TextOf(config, "type"));
  if (type.empty()) return InvalidArgument("a plugin has no \"type\" (the name of its program)");
  if (type.find('/') != type.npos) return InvalidArgument("invalid plugin name: ", type, " (a name without \"/\")");
  return Plugin{type, config.dump()};
}

}  // namespace

absl::StatusOr<NetworkList> ParseNetworkList(std::string_view json, bool is_list) {
  Json top = Json::parse(json, nullptr, false);
  if (!top.is_object()) return InvalidArgument("no JSON object");
  NetworkList list;
  BK_ASSIGN(list.name, TextOf(top, "name"));
  BK_ASSIGN(list.version, TextOf(top, "cniVersion"));
  if (list.name.empty()) return InvalidArgument("the network has no \"name\"");
  if (!is_list) {
    if (top.contains("plugins")) return InvalidArgument("a list of plugins (name the file .conflist)");
    BK_TRY(Plugin plugin, ParsePlugin(top));
    list.plugins.push_back(std::move(plugin));
    return list;
  }
  if (!top.contains("plugins") || !top["plugins"].is_array() || top["plugins"].empty()) return InvalidArgument("no list of \"plugins\"");
  for (const Json& one : top["plugins"]) {
    BK_TRY(Plugin plugin, ParsePlugin(one));
    list.plugins.push_back(std::move(plugin));
  }
  return list;
}

std::string NetworkListJson(const NetworkList& list) {
  Json plugins = Json::array();
  for (const Plugin& plugin : list.plugins) plugins.push_back(Json::parse(plugin.config, nullptr, false));
  return Json{{"cniVersion", list.version}, {"name", list.name}, {"plugins", std::move(plugins)}}.dump();
}

NetworkList BridgeList(const Bridge& bridge) {
  Json ranges = Json::array({Json::array({Json{{"subnet", bridge.subnet}}})});
  Json addresses{{"type", bridge.host_local}, {"ranges", ranges}};
  if (!bridge.data_dir.empty()) addresses["dataDir"] = bridge.data_dir;
  Json made{{"type", bridge.bridge}, {"bridge", bridge.name}, {"isDefaultGateway", true}, {"ipMasq", true}, {"ipam", std::move(addresses)}};
  Json firewall{{"type", bridge.firewall}, {"backend", bridge.firewall_backend}, {"ingressPolicy", "same-bridge"}};
  return {.name = "buildkit", .version = "1.0.0", .plugins = {{bridge.bridge, made.dump()}, {bridge.firewall, firewall.dump()}}};
}

std::string PluginInput(const NetworkList& list, const Plugin& plugin, const std::string& previous_result) {
  Json input = Json::parse(plugin.config, nullptr, false);
  input["name"] = list.name;
  input["cniVersion"] = list.version;
  if (!previous_result.empty()) input["prevResult"] = Json::parse(previous_result, nullptr, false);
  return input.dump();
}

bool DelTakesResult(const NetworkList& list) {
  int major = 0, minor = 0;
  std::sscanf(list.version.c_str(), "%d.%d", &major, &minor);
  return major > 0 || minor >= 4;
}

}  // namespace bk::net
