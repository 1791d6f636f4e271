#include "base/os/userns.h"

#include <doctest/doctest.h>

using namespace bk;
using namespace bk::os;

TEST_CASE("ranges of a user are found by name and by number, in the file's order") {
  auto ranges = ParseSubIds("# comment\n\nbob:1:2\nalice:100000:65536\n 1001:300000:5 \n", "/etc/subuid", 1001, "alice");
  REQUIRE(ranges.ok());
  CHECK(*ranges == std::vector<SubIdRange>{{100000, 65536}, {300000, 5}});
  // Without a name only the number counts, and an empty owner is nobody.
  CHECK(*ParseSubIds(":7:8\n1001:300000:5", "f", 1001, "") == std::vector<SubIdRange>{{300000, 5}});
  CHECK(ParseSubIds("", "f", 1001, "alice")->empty());
}

TEST_CASE("a wrong line of a range file is an error, a wrong number only in a line of ours") {
  CHECK(Message(ParseSubIds("alice:1\n", "/etc/subuid", 1, "bob").status()) == "cannot parse subuid/gid information: format not correct for /etc/subuid file");
  CHECK(Message(ParseSubIds("alice:x:5", "/etc/subuid", 1, "alice").status()) ==
        "string to int conversion failed during subuid/gid parsing of /etc/subuid: strconv.Atoi: parsing \"x\": invalid syntax");
  CHECK(ParseSubIds("alice:x:5", "f", 1, "bob")->empty());
  CHECK_FALSE(ParseSubIds("alice:-1:5", "f", 1, "alice").ok());
  CHECK_FALSE(ParseSubIds("alice:1:4294967295", "f", 1, "alice").ok());
}

TEST_CASE("output of getsubids") {
  CHECK(*ParseGetSubIds("0: alice 100000 65536\n1: alice 300000 5\n") == std::vector<SubIdRange>{{100000, 65536}, {300000, 5}});
  CHECK_FALSE(ParseGetSubIds("Error fetching ranges").ok());
  CHECK_FALSE(ParseGetSubIds("0: alice 100000").ok());
}

TEST_CASE("an id map puts the ranges one after the other behind root") {
  CHECK(*MakeIdMap(1001, {{100000, 65536}, {300000, 5}}) == std::vector<IdMapLine>{{0, 1001, 1}, {1, 100000, 65536}, {65537, 300000, 5}});
  CHECK_FALSE(MakeIdMap(1, {{100000, 0}}).ok());
  CHECK_FALSE(MakeIdMap(1, {{0xfffffff0, 0x100}}).ok());
  CHECK_FALSE(MakeIdMap(1, {{1, 0xf0000000}, {1, 0xf0000000}}).ok());
  CHECK_FALSE(MakeIdMap(1, std::vector<SubIdRange>(340, SubIdRange{5, 1})).ok());
  CHECK(MakeIdMap(1, std::vector<SubIdRange>(339, SubIdRange{5, 1})).ok());
}

TEST_CASE("lines of /proc/self/uid_map") {
  CHECK(*ParseIdMap("         0          0 4294967295\n") == std::vector<IdMapLine>{{0, 0, 0xffffffff}});
  CHECK_FALSE(ParseIdMap("0 0").ok());
}

TEST_CASE("a refused user namespace names cause and fix") {
  auto explain = [](UsernsSettings settings, absl::Status refusal) { return ExplainUsernsRefusal(settings, refusal, "/usr/bin/rk"); };
  auto has = [](const std::string& text, std::string_view part) { return text.find(part) != std::string::npos; };
  CHECK(explain({.max_user_namespaces = 100}, absl::OkStatus()).empty());
  CHECK(has(explain({.max_user_namespaces = 0}, absl::OkStatus()), "sysctl -w user.max_user_namespaces="));
  CHECK(has(explain({.unprivileged_clone = 0}, absl::OkStatus()), "sysctl -w kernel.unprivileged_userns_clone=1"));
  CHECK(has(explain({.apparmor_restrict = 1}, ErrnoError(EACCES, "clone")), "/usr/bin/rk a profile"));
  CHECK(has(explain({.apparmor_restrict = 0}, ErrnoError(EPERM, "clone")), "seccomp=unconfined"));
  CHECK(has(explain({.chrooted = true}, ErrnoError(EPERM, "clone")), "chroot"));
  CHECK(has(explain({.max_user_namespaces = 7}, ErrnoError(ENOSPC, "clone")), "now 7"));
  CHECK(has(explain({}, ErrnoError(EINVAL, "clone")), "CONFIG_USER_NS"));
}
