#include <doctest/doctest.h>

#include "base/os/file.h"
#include "rootlesskit/parent/id_map.h"
#include "rootlesskit/parent/preflight.h"
#include "rootlesskit/parent/state_dir.h"
#include "rootlesskit/stage/report.h"

using namespace bk;
using namespace bk::rootlesskit;

TEST_CASE("a tool without privileges is explained, the strongest cause first") {
  auto has = [](const MapToolFacts& facts, std::string_view part) { return ExplainMapTool(facts).find(part) != std::string::npos; };
  CHECK(ExplainMapTool({"/x"}).empty());
  CHECK(has({.path = "/x", .set_user_id = false}, "chmod u+s /x"));
  CHECK(has({.path = "/x", .set_user_id = false, .nosuid_mount = true}, "nosuid"));
  CHECK(has({.path = "/x", .nosuid_mount = true, .no_new_privileges = true}, "no_new_privs"));
}

TEST_CASE("the propagation of the root mount is its optional fields") {
  CHECK(*RootPropagation("1 0 8:1 / / rw shared:1 - ext4 /dev/a rw\n") == "shared:1");
  CHECK(*RootPropagation("2 1 0:5 / /proc rw - proc proc rw\n1 0 8:1 / / rw - ext4 /dev/a rw\n") == "");
  CHECK(*RootPropagation("1 0 8:1 / / rw shared:1 master:2 - ext4 /dev/a rw\n") == "shared:1 master:2");
  CHECK_FALSE(RootPropagation("").ok());
}

TEST_CASE("a state directory is emptied, locked, and removed only when asked to") {
  auto base = os::TempDir::Make("bk-state-");
  REQUIRE(base.ok());
  std::string path = base->path() + "/a/b";
  REQUIRE(os::MakeDirs(path + "/old", 0755).ok());
  {
    auto state = StateDir::Open(path);
    REQUIRE_MESSAGE(state.ok(), bk::Message(state.status()));
    CHECK(*os::ListDir(path) == std::vector<std::string>{"lock"});
    auto second = StateDir::Open(path);
    CHECK(ExitCodeOf(second.status()) == 106);
    CHECK(bk::Message(second.status()).find("another RootlessKit is running") != std::string::npos);
  }
  CHECK(os::Exists(path));
  {
    auto state = StateDir::Open(path);
    REQUIRE(state.ok());
    state->RemoveAtEnd();
  }
  CHECK_FALSE(os::Exists(path));
  CHECK(os::Exists(base->path() + "/a"));
}

TEST_CASE("a state directory below a file is refused") {
  auto base = os::TempDir::Make("bk-state-");
  REQUIRE(base.ok());
  REQUIRE(os::WriteFile(base->path() + "/f", "", 0644).ok());
  auto state = StateDir::Open(base->path() + "/f");
  CHECK(bk::Message(state.status()) == StrCat("mkdir ", base->path(), "/f: not a directory"));
}
