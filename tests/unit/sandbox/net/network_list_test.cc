#include "sandbox/net/network_list.h"

#include <doctest/doctest.h>

#include <nlohmann/json.hpp>

using namespace bk;
using namespace bk::net;
using Json = nlohmann::json;

TEST_CASE("a list and a single configuration are read (EXE-043, WRK-008)") {
  auto list = ParseNetworkList(R"({"cniVersion":"0.4.0","name":"n","plugins":[{"type":"bridge","mtu":9},{"type":"firewall"}]})", true);
  REQUIRE(list.ok());
  CHECK(list->name == "n");
  CHECK(list->version == "0.4.0");
  REQUIRE(list->plugins.size() == 2);
  CHECK(list->plugins[0].type == "bridge");
  CHECK(list->plugins[1].type == "firewall");

  auto one = ParseNetworkList(R"({"cniVersion":"1.0.0","name":"n","type":"ptp"})", false);
  REQUIRE(one.ok());
  REQUIRE(one->plugins.size() == 1);
  CHECK(one->plugins[0].type == "ptp");
}

TEST_CASE("a configuration that means nothing is refused with what is wrong") {
  auto refused = [](const char* json, bool is_list) { return Message(ParseNetworkList(json, is_list).status()); };
  CHECK(refused("{", true) == "no JSON object");
  CHECK(refused("[]", false) == "no JSON object");
  CHECK(refused(R"({"type":"bridge"})", false) == R"(the network has no "name")");
  CHECK(refused(R"({"name":1,"type":"bridge"})", false) == R"("name" is no text)");
  CHECK(refused(R"({"name":"n"})", false) == R"(a plugin has no "type" (the name of its program))");
  CHECK(refused(R"({"name":"n","plugins":[]})", true) == R"(no list of "plugins")");
  CHECK(refused(R"({"name":"n","plugins":{}})", true) == R"(no list of "plugins")");
  CHECK(refused(R"({"name":"n","plugins":[1]})", true) == "a plugin's configuration is no object");
  CHECK(refused(R"({"name":"n","plugins":[{"type":"../x"}]})", true) == R"(invalid plugin name: ../x (a name without "/"))");
  CHECK(refused(R"({"name":"n","plugins":[{"type":"x"}]})", false) == R"(a list of plugins (name the file .conflist))");
}

TEST_CASE("a plugin reads its own configuration with the list's name and version, and the result before it") {
  NetworkList list = ParseNetworkList(R"({"cniVersion":"1.0.0","name":"n","plugins":[{"type":"a","x":{"y":[1]},"name":"other"}]})", true).value();
  Json first = Json::parse(PluginInput(list, list.plugins[0], ""));
  CHECK(first == Json::parse(R"({"type":"a","x":{"y":[1]},"name":"n","cniVersion":"1.0.0"})"));
  Json second = Json::parse(PluginInput(list, list.plugins[0], R"({"ips":[]})"));
  CHECK(second["prevResult"] == Json::parse(R"({"ips":[]})"));
}

TEST_CASE("a list that was written is read back") {
  NetworkList list = BridgeList({.name = "br7", .subnet = "10.7.0.0/24"});
  NetworkList again = ParseNetworkList(NetworkListJson(list), true).value();
  CHECK(again.name == list.name);
  CHECK(again.version == list.version);
  REQUIRE(again.plugins.size() == list.plugins.size());
  for (size_t i = 0; i < list.plugins.size(); i++) CHECK(Json::parse(again.plugins[i].config) == Json::parse(list.plugins[i].config));
}

TEST_CASE("the bridge's plugins: addresses of its subnet, traffic within the bridge only (EXE-044, WRK-009)") {
  NetworkList list = BridgeList({.name = "br7", .subnet = "10.7.0.0/24", .bridge = "buildkit-cni-bridge", .firewall_backend = "iptables", .data_dir = "/d"});
  REQUIRE(list.plugins.size() == 2);
  CHECK(list.plugins[0].type == "buildkit-cni-bridge");
  CHECK(Json::parse(list.plugins[0].config) == Json::parse(R"({"type":"buildkit-cni-bridge","bridge":"br7","isDefaultGateway":true,"ipMasq":true,
    "ipam":{"type":"host-local","ranges":[[{"subnet":"10.7.0.0/24"}]],"dataDir":"/d"}})"));
  CHECK(Json::parse(list.plugins[1].config) == Json::parse(R"({"type":"firewall","backend":"iptables","ingressPolicy":"same-bridge"})"));
}

TEST_CASE("DEL is told the result from version 0.4.0 on") {
  auto takes = [](const char* version) { return DelTakesResult({.name = "n", .version = version, .plugins = {}}); };
  CHECK_FALSE(takes(""));
  CHECK_FALSE(takes("0.3.1"));
  CHECK(takes("0.4.0"));
  CHECK(takes("1.0.0"));
}
