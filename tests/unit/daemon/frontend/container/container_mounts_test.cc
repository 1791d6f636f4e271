// DFE-116, DFE-119: the mounts of a frontend's container, over a cache of plain directories.
#include "daemon/frontend/container/container_mounts.h"

#include <doctest/doctest.h>
#include <unistd.h>

#include "tests/unit/daemon/ops/fake_cache.h"

namespace bk::frontend {
namespace {

struct World {
  ops::test::FakeCache cache;
  ContainerOrder order;
  absl::StatusOr<std::unique_ptr<ContainerMounts>> made = InvalidArgument("not made");

  pb::Mount& Add(const std::string& dest, cache::ImmutablePtr tree) {
    order.trees.push_back(std::move(tree));
    pb::Mount& mount = order.request.mounts.emplace_back().mount;
    mount.set_dest(dest);
    return mount;
  }
  void Make() {
    order.request.id = "c";
    ContainerParts parts;
    parts.cache = &cache;
    made = ContainerMounts::Make(CancelToken::Never(), parts, order);
  }
  std::string Read(int index, const std::string& path) {
    REQUIRE_MESSAGE(made.ok(), made.status());
    auto files = (*made)->Files(index);
    if (!files.ok()) return std::string(files.status().message());
    auto text = (*files)->ReadFile(path, 0, -1);
    return text.ok() ? *text : std::string(text.status().message());
  }
  const exec::StepMount& At(const std::string& dest) {
    for (const exec::StepMount& mount : (*made)->mounts()) {
      if (mount.dest == dest) return mount;
    }
    FAIL("no mount at " << dest);
    return (*made)->mounts()[0];
  }
};

TEST_CASE("each mount is read by its index, as it is just now") {
  World world;
  world.Add("/", world.cache.Tree({{"name", "root"}}));
  world.Add("/data", world.cache.Tree({{"name", "data"}}));
  world.Add("relative", world.cache.Tree({{"name", "relative"}}));
  world.Make();
  CHECK(world.Read(0, "/name") == "root");
  CHECK(world.Read(1, "/name") == "data");
  CHECK(world.Read(2, "/name") == "relative");
  REQUIRE(os::WriteFile((*world.made)->root()[0].source + "/late", "later", 0644).ok());
  CHECK(world.Read(0, "/late") == "later");
  CHECK(world.Read(3, "/name") == "mount index 3 is out of bounds (3 available)");
  CHECK(world.Read(-1, "/name") == "mount index -1 is out of bounds (3 available)");
}

TEST_CASE("a process writes to trees of its own, and the end gives all of them back") {
  World world;
  auto root = world.cache.Tree({{"name", "root"}}), data = world.cache.Tree({{"name", "data"}});
  world.Add("/", root);
  world.Add("/data", data);
  world.Add("/empty", nullptr);
  world.Make();
  REQUIRE(world.made.ok());
  for (const std::string& place : {(*world.made)->root()[0].source, world.At("/data").mounts[0].source}) REQUIRE(os::WriteFile(place + "/name", "changed", 0644).ok());
  CHECK(world.Read(1, "/name") == "changed");
  CHECK(world.cache.Text(root, "name") == "root");
  CHECK(world.cache.Text(data, "name") == "data");
  CHECK(world.cache.state.writable == 3);
  world.made->reset();
  CHECK(world.cache.state.writable == 0);
  CHECK(world.cache.state.mounts == 0);
}

TEST_CASE("a selector chooses for the process, not for who reads from outside") {
  World world;
  world.Add("/", world.cache.Tree({}));
  world.Add("/data", world.cache.Tree({{"below/name", "below"}})).set_selector("/below");
  world.Make();
  CHECK(world.Read(1, "/below/name") == "below");
  CHECK(world.At("/data").selector == "/below");
}

TEST_CASE("links of a tree lead nowhere else, for readers") {
  os::TempDir outside = *os::TempDir::Make("outside-");
  REQUIRE(os::WriteFile(outside.path() + "/kept", "of the host", 0644).ok());
  World world;
  world.Add("/", world.cache.Tree({{"name", "root"}}));
  world.Make();
  REQUIRE(world.made.ok());
  std::string root = (*world.made)->root()[0].source;
  REQUIRE(symlink(outside.path().c_str(), (root + "/absolute").c_str()) == 0);
  REQUIRE(symlink(("../../../../../../.." + outside.path()).c_str(), (root + "/relative").c_str()) == 0);
  for (std::string path : {"/absolute/kept", "/relative/kept"}) CHECK(world.Read(0, path).find("no such file or directory") != std::string::npos);
  CHECK(world.Read(0, "/../../../.." + outside.path() + "/kept").find("no such file or directory") != std::string::npos);
}

TEST_CASE("a container without a root is refused, and nothing is kept") {
  World world;
  world.Add("/data", world.cache.Tree({}));
  world.Make();
  CHECK(world.made.status().message() == "container c has no mount at /");
  CHECK(world.cache.state.writable == 0);
}

TEST_CASE("files of the daemon are shown read-only and go with the container") {
  World world;
  world.Add("/", world.cache.Tree({}));
  world.order.request.files["/run/config"]["a"] = "text";
  world.Make();
  REQUIRE(world.made.ok());
  const exec::StepMount& mount = world.At("/run/config");
  std::string path = mount.mounts[0].source;
  CHECK(mount.readonly);
  CHECK(os::ReadFile(path + "/a").value_or("") == "text");
  world.made->reset();
  CHECK_FALSE(os::Exists(path));
}

}  // namespace
}  // namespace bk::frontend
