#include <doctest/doctest.h>

#include "rootlesskit/api/server.h"
#include "rootlesskit/child/copy_up.h"
#include "rootlesskit/child/network.h"
#include "rootlesskit/net/cidr.h"
#include "rootlesskit/net/plan.h"
#include "rootlesskit/net/slirp4netns.h"

using namespace bk;
using namespace bk::rootlesskit;

namespace {

std::string CidrFailure(std::string_view text) { return bk::Message(ParseCidr(text).status()); }

std::string PlanFailure(const std::vector<std::string>& words) {
  auto options = ParseOptions(words);
  REQUIRE(options.ok());
  return bk::Message(PlanNetwork(*options).status());
}

}  // namespace

TEST_CASE("networks are addresses without host bits") {
  auto network = ParseCidr("10.9.0.0/24");
  REQUIRE(network.ok());
  CHECK(network->prefix == 24);
  CHECK(*AddressAt(*network, 100) == "10.9.0.100");
  CHECK(*AddressAt(*ParseCidr("10.255.255.0/24"), 255) == "10.255.255.255");
  CHECK_FALSE(AddressAt(*ParseCidr("255.255.255.255/32"), 1).ok());
  CHECK_FALSE(ParseCidr("2001:db8::/64")->is_v4);
  CHECK_FALSE(AddressAt(*ParseCidr("2001:db8::/64"), 2).ok());
  for (const char* text : {"nosuch", "10.0.2.0", "10.0.2.0/33", "10.0.2.0/", "10.0.2.0/-1", "10.0.2/24", "::/129"}) CHECK(CidrFailure(text) == StrCat("invalid CIDR address: ", text));
  CHECK(CidrFailure("10.0.2.100/24") == "cidr must be like 10.0.2.0/24, not like 10.0.2.100/24");
  CHECK(ParseCidr("0.0.0.0/0").ok());
}

TEST_CASE("flags of the network are judged by the driver") {
  CHECK(PlanFailure({"--mtu=-1"}) == "mtu must be <= 65521, got -1");
  CHECK(PlanFailure({"--ifname=x"}) == "ifname cannot be specified for --net=host");
  CHECK(PlanFailure({"--net=none", "--cidr=10.0.0.0/8"}) == "custom cidr is not supported for --net=none");
  CHECK(PlanFailure({"--net=nosuch"}) == "unknown network mode: nosuch");
  CHECK(PlanFailure({"--port-driver=nosuch"}) == "unknown port driver: nosuch");
  for (const char* driver : {"pasta", "vpnkit", "lxc-user-nic", "gvisor-tap-vsock"}) {
    CHECK(PlanFailure({StrCat("--net=", driver)}) == StrCat("--net=", driver, " is not built yet (use host, none or slirp4netns)"));
  }
  CHECK(PlanFailure({"--net=none", "--port-driver=builtin"}) == "--port-driver=builtin is not built yet");
  CHECK(PlanFailure({}).empty());
}

TEST_CASE("slirp4netns gets what the flags say, and its addresses follow the network") {
  NetworkPlan plan{.driver = NetworkDriver::kSlirp4netns, .binary = "slirp4netns", .mtu = 1400, .device = "tap0"};
  CHECK(SlirpArguments(plan, 7) == std::vector<std::string>{"--mtu", "1400", "-r", "3", "-e", "4", "7", "tap0"});
  CHECK(*SetupFor(plan) == NetworkSetup{"tap0", "10.0.2.100", "10.0.2.2", 24, 1400, {"10.0.2.3"}});
  plan.cidr = *ParseCidr("10.9.0.0/25");
  plan.disable_host_loopback = plan.sandbox = plan.seccomp = plan.ipv6 = true;
  CHECK(SlirpArguments(plan, 7) == std::vector<std::string>{"--mtu", "1400", "-r", "3", "-e", "4", "--disable-host-loopback", "--cidr", "10.9.0.0/25", "--enable-sandbox",
                                                             "--enable-seccomp", "--enable-ipv6", "7", "tap0"});
  CHECK(*SetupFor(plan) == NetworkSetup{"tap0", "10.9.0.100", "10.9.0.2", 25, 1400, {"10.9.0.3", "fd00::3"}});
}

TEST_CASE("a missing tun device has a fix") {
  auto status = CheckTunDevice("/nosuch/tun");
  CHECK(bk::Message(status).find("modprobe tun") != std::string::npos);
}

TEST_CASE("generated files of the network") {
  CHECK(ResolvConfText({"10.0.2.3", "fd00::3"}) == "nameserver 10.0.2.3\nnameserver fd00::3\n");
  CHECK(HostsText("127.0.0.1 localhost\n", "box") == "127.0.0.1 localhost\n\n127.0.0.1 box\n::1 box\n");
  CHECK(CopiesEtc({"/run", "/etc/"}));
  CHECK_FALSE(CopiesEtc({"/etc/x"}));
}

TEST_CASE("the API answers what it knows and refuses the rest") {
  ApiInfo host{"/s", 12, "", {}};
  CHECK(AnswerRequest("GET", "/v1/info", host).body == R"({"apiVersion":"1.1.3","version":"3.3.0","stateDir":"/s","childPID":12})");
  ApiInfo slirp{"/s", 12, "slirp4netns", {"tap0", "10.0.2.100", "10.0.2.2", 24, 1400, {"10.0.2.3"}}};
  CHECK(AnswerRequest("GET", "/v1/info?x", slirp).body ==
        R"({"apiVersion":"1.1.3","version":"3.3.0","stateDir":"/s","childPID":12,"networkDriver":{"driver":"slirp4netns","dns":["10.0.2.3"],"childIP":"10.0.2.100"}})");
  CHECK(AnswerRequest("POST", "/v1/info", host).code == 405);
  CHECK(AnswerRequest("GET", "/v1/ports", host).body == "{\"message\":\"no PortDriver is available\"}\n");
  CHECK(AnswerRequest("DELETE", "/v1/ports/1", host).code == 400);
  for (const char* path : {"/", "/v1", "/v2/info", "/v1/nosuch", "/v1/ports/", "/v1/ports/1/2"}) CHECK(AnswerRequest("GET", path, host).code == 404);
}
