// Control groups that a runtime left, on the hierarchies of this machine; without root there is none to write to.
#include "sandbox/exec/cgroup.h"

#include <signal.h>
#include <unistd.h>

#include <doctest/doctest.h>

#include "base/os/file.h"
#include "base/os/process.h"

namespace bk::exec {
namespace {

std::vector<std::string> Tops() {
  std::vector<std::string> tops = {"/sys/fs/cgroup"};
  for (const std::string& name : os::ListDir("/sys/fs/cgroup").value_or(std::vector<std::string>())) tops.push_back("/sys/fs/cgroup/" + name);
  return tops;
}

TEST_CASE("the control group of a step goes with the groups and processes in it") {
  std::string parent = StrCat("/bk-cgroup-test-", getpid()), path = parent + "/step";
  std::vector<std::string> made;
  for (const std::string& top : Tops()) {
    if (os::Exists(top + "/cgroup.procs") && os::MakeDirs(top + path + "/below", 0755).ok()) made.push_back(top + path);
  }
  if (geteuid() == 0) REQUIRE(!made.empty());
  os::ProcessOptions options;
  options.argv = {"sleep", "1000"};
  auto sleeper = os::Process::Start(options);
  REQUIRE(sleeper.ok());
  bool inside = false;
  for (const std::string& group : made) inside = os::WriteFile(group + "/below/cgroup.procs", std::to_string(sleeper->pid()), 0644).ok() || inside;
  CHECK(RemoveStepCgroup(path));
  for (const std::string& group : made) CHECK(!os::Exists(group));
  if (!inside) sleeper->Kill(SIGKILL);
  auto status = sleeper->WaitFor(std::chrono::seconds(10));
  REQUIRE(status.ok());
  CHECK(status->signal == SIGKILL);
  RemoveEmptyCgroup(parent);
  for (const std::string& group : made) CHECK(!os::Exists(os::DirName(group)));
}

TEST_CASE("what is no group of a step is left alone") {
  CHECK(RemoveStepCgroup(""));
  CHECK(RemoveStepCgroup("/"));
  CHECK(RemoveStepCgroup("system.slice:buildkit:step"));
  CHECK(RemoveStepCgroup("/../.."));
  CHECK(os::Exists("/sys/fs/cgroup"));
}

TEST_CASE("a bundle says its control group") {
  auto dir = os::TempDir::Make("bundle-");
  REQUIRE(dir.ok());
  CHECK(CgroupPathOfBundle(dir->path()).empty());
  REQUIRE(os::WriteFile(dir->path() + "/config.json", "{\"linux\": {\"cgroupsPath\": \"/a/buildkit/x\"}}", 0600).ok());
  CHECK(CgroupPathOfBundle(dir->path()) == "/a/buildkit/x");
  for (const char* wrong : {"", "[]", "{\"linux\": 1}", "{\"linux\": {\"cgroupsPath\": 2}}", "{"}) {
    REQUIRE(os::WriteFile(dir->path() + "/config.json", wrong, 0600).ok());
    CHECK(CgroupPathOfBundle(dir->path()).empty());
  }
}

}  // namespace
}  // namespace bk::exec
