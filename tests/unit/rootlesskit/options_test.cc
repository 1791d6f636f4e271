#include "rootlesskit/stage/options.h"

#include <doctest/doctest.h>

using namespace bk;
using namespace bk::rootlesskit;

namespace {

Options Parsed(const std::vector<std::string>& words) {
  auto options = ParseOptions(words);
  REQUIRE_MESSAGE(options.ok(), Message(options.status()));
  return *options;
}

std::string ParseFailure(const std::vector<std::string>& words) { return bk::Message(ParseOptions(words).status()); }
std::string CheckFailure(const std::vector<std::string>& words) { return bk::Message(CheckOptions(Parsed(words))); }

}  // namespace

TEST_CASE("flags end at the first word that is none, or at a double dash") {
  Options o = Parsed({"--net=none", "-debug", "--state-dir", "/s", "--pidns=false", "echo", "--net=x", "-p"});
  CHECK(o.net == "none");
  CHECK(o.debug);
  CHECK(o.state_dir == "/s");
  CHECK_FALSE(o.pidns);
  CHECK(o.command == std::vector<std::string>{"echo", "--net=x", "-p"});
  CHECK(Parsed({"--", "--net=x"}).command == std::vector<std::string>{"--net=x"});
  CHECK(Parsed({"-", "x"}).command == std::vector<std::string>{"-", "x"});
}

TEST_CASE("lists repeat and split at commas") {
  CHECK(Parsed({"--copy-up=/etc,/run", "--copy-up", "/opt"}).copy_up == std::vector<std::string>{"/etc", "/run", "/opt"});
  CHECK(Parsed({"-p", "1:2/tcp", "--publish=3:4/udp"}).publish == std::vector<std::string>{"1:2/tcp", "3:4/udp"});
}

TEST_CASE("wrong flags have Go's words") {
  CHECK(ParseFailure({"--nosuch"}) == "flag provided but not defined: -nosuch");
  CHECK(ParseFailure({"--net"}) == "flag needs an argument: -net");
  CHECK(ParseFailure({"--pidns=x"}) == "invalid boolean value \"x\" for -pidns: parse error");
  CHECK(ParseFailure({"--mtu=x"}) == "invalid value \"x\" for flag -mtu: parse error");
  CHECK_FALSE(ParseFailure({"--mtu="}).empty());
  CHECK_FALSE(ParseFailure({"--mtu= 1"}).empty());
  CHECK_FALSE(ParseFailure({"--mtu=1x"}).empty());
  CHECK_FALSE(ParseFailure({"--mtu=99999999999999999999"}).empty());
  CHECK(Parsed({"--mtu=0x10"}).mtu == 16);
  CHECK(ParseFailure({"---x"}) == "bad flag syntax: ---x");
}

TEST_CASE("the reaper is automatic with a PID namespace and impossible without") {
  CHECK(Parsed({"--pidns"}).reap());
  CHECK_FALSE(Parsed({"true"}).reap());
  CHECK_FALSE(Parsed({"--pidns", "--reaper=false"}).reap());
  CHECK(CheckFailure({"--reaper=true", "true"}) == "reaper requires --pidns");
  CHECK(CheckFailure({"--reaper=x", "true"}) == "unknown reaper mode: x");
}

TEST_CASE("what is not built is refused by name, never ignored") {
  for (const char* flag : {"--detach-netns", "--pasta-binary=x", "--vpnkit-binary=x", "--lxc-user-nic-binary=x", "--source-ip-transparent=false"}) {
    std::string name = std::string(flag).substr(0, std::string_view(flag).find('='));
    CHECK(CheckFailure({flag, "true"}) == name + " is not built yet");
  }
  CHECK(CheckFailure({"--evacuate-cgroup2=x", "true"}) == "evacuate-cgroup2 requires --cgroupns");
  CHECK(CheckFailure({"--pidns", "--cgroupns", "--evacuate-cgroup2=x", "true"}) == "--evacuate-cgroup2 is not built yet");
}

TEST_CASE("values that the words alone show to be wrong") {
  CHECK(CheckFailure({}) == "no command specified");
  CHECK(CheckFailure({"--copy-up-mode=x", "true"}) == "unknown copy-up mode: x");
  CHECK(CheckFailure({"--subid-source=x", "true"}) == "unknown subid source \"x\"");
  CHECK(CheckFailure({"--copy-up=/etc", "--propagation=rshared", "true"}) == "propagation rshared does not support copy-up driver tmpfs+symlink");
  CHECK(CheckOptions(Parsed({"--propagation=rshared", "true"})).ok());
}

TEST_CASE("help names every flag that is built") {
  std::string help = HelpText();
  for (const char* name : {"--net value", "--copy-up value", "--cgroupns ", "--publish, -p value", "--subid-source value", "--version, -v"}) {
    CHECK_MESSAGE(help.find(name) != std::string::npos, name);
  }
}
