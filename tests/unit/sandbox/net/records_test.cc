#include "sandbox/net/records.h"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>

#include <chrono>
#include <cstdlib>
#include <thread>

#include "base/os/file.h"
#include "base/split.h"
#include "sandbox/net/table.h"

using namespace bk;
using namespace bk::net;

namespace {

// Whether somebody waits for the lock of the open file, or does so within some seconds: proc_locks(5).
bool IsWaitedFor(int fd) {
  struct stat info;
  REQUIRE(fstat(fd, &info) == 0);
  auto end = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  while (std::chrono::steady_clock::now() < end) {
    std::string locks = os::ReadFile("/proc/locks").value();
    for (std::string_view line : Split(locks, '\n')) {
      if (line.find("-> FLOCK") != line.npos && line.find(StrCat(":", info.st_ino, " ")) != line.npos) return true;
    }
    std::this_thread::yield();
  }
  return false;
}

}  // namespace

TEST_CASE("a record that was written is read back") {
  NetworkRecord record{.list = BridgeList({.name = "br7", .subnet = "10.7.0.0/24"}),
                       .attachment = {.id = "i", .netns = "/d/i", .hostname = "box", .plugin_dirs = {"/a", "/b"}},
                       .result = R"({"ips":[]})"};
  NetworkRecord again = ParseRecord(RecordJson(record)).value();
  CHECK(NetworkListJson(again.list) == NetworkListJson(record.list));
  CHECK(again.attachment.hostname == "box");
  CHECK(again.attachment.plugin_dirs == record.attachment.plugin_dirs);
  CHECK(again.result == record.result);
  CHECK_FALSE(ParseRecord("").ok());
  CHECK_FALSE(ParseRecord("{}").ok());
}

TEST_CASE("what an earlier daemon left is removed: the plugins are told, even those of another configuration") {
  os::TempDir temp = os::TempDir::Make("net").value();
  std::string dir = temp.path() + "/cni", told = temp.path() + "/told";
  REQUIRE(os::MakeDirs(dir, 0700).ok());
  REQUIRE(os::WriteFile(temp.path() + "/plug", StrCat("#!/bin/sh\necho \"$CNI_COMMAND $CNI_CONTAINERID [$CNI_NETNS]\" >>", told, "\n"), 0755).ok());
  NetworkList list = ParseNetworkList(R"({"name":"n","plugins":[{"type":"plug"}]})", true).value();
  for (const char* id : {"one", "two"}) {
    REQUIRE(os::WriteFile(StrCat(dir, "/", id), "", 0600).ok());  // its mount went with a reboot
    REQUIRE(os::WriteFile(StrCat(dir, "/", id, ".json"), RecordJson({.list = list, .attachment = {.id = id, .netns = StrCat(dir, "/", id), .hostname = "", .plugin_dirs = {temp.path()}}, .result = ""}), 0600).ok());
  }
  REQUIRE(os::WriteFile(dir + "/half", "", 0600).ok());
  REQUIRE(os::WriteFile(dir + "/torn.json", "{\"list\":", 0600).ok());
  RemoveNetworks(dir);
  CHECK(os::ReadFile(told).value() == "DEL one []\nDEL two []\n");
  CHECK(os::ListDir(dir).value().empty());
  RemoveNetworks(dir);
  RemoveNetworks(temp.path() + "/missing");
}

TEST_CASE("auto: a bridge if it is wanted, a CNI network if its configuration is there, else the host's (EXE-042)") {
  os::TempDir temp = os::TempDir::Make("net").value();
  NetworkOptions options;
  options.config_path = temp.path() + "/cni.json";
  CHECK(ResolveMode(options) == "host");
  REQUIRE(os::WriteFile(options.config_path, "{}", 0600).ok());
  CHECK(ResolveMode(options) == "cni");
  options.bridge_auto = true;
  CHECK(ResolveMode(options) == "bridge");
  options.mode = "none";
  CHECK(ResolveMode(options) == "none");
}

TEST_CASE("a bridge: BuildKit's own plugins where all three are in PATH, and daemons take turns in making the first network (EXE-044, EXE-047, WRK-009)") {
  os::TempDir temp = os::TempDir::Make("net").value();
  std::string bin = temp.path() + "/bin", told = temp.path() + "/told", path = getenv("PATH");
  REQUIRE(os::MakeDirs(bin, 0755).ok());
  for (const char* name : {"buildkit-cni-bridge", "buildkit-cni-host-local", "buildkit-cni-firewall"}) {
    REQUIRE(os::WriteFile(StrCat(bin, "/", name), StrCat("#!/bin/sh\necho \"$CNI_COMMAND ", name, " $CNI_PATH\" >>", told, "\necho '{}'\n"), 0755).ok());
  }
  NetworkOptions options;
  options.dir = temp.path() + "/state/cni";
  options.mode = "bridge";
  options.plugin_dir = temp.path() + "/none";
  options.bridge_name = "bk-nosuch";
  options.init_lock = temp.path() + "/lock";
  setenv("PATH", (bin + ":" + path).c_str(), 1);
  auto made = MakeProvider(options);
  setenv("PATH", path.c_str(), 1);
  REQUIRE_MESSAGE(made.ok(), Message(made.status()));
  os::UniqueFd held = os::Open(options.init_lock, O_CREAT | O_RDWR | O_CLOEXEC, 0600).value();
  REQUIRE(flock(held.get(), LOCK_EX) == 0);
  std::thread step([&] { CHECK((*made)->Get(CancelToken::Never(), "").ok()); });
  CHECK(IsWaitedFor(held.get()));
  CHECK_FALSE(os::Exists(told));
  held.Reset();
  step.join();
  made->reset();
  std::string lines;
  for (const char* line : {"ADD buildkit-cni-bridge ", "ADD buildkit-cni-firewall ", "DEL buildkit-cni-firewall ", "DEL buildkit-cni-bridge "}) lines += StrCat(line, bin, "\n");
  CHECK(os::ReadFile(told).value() == lines);
  CHECK(os::ListDir(options.dir).value().empty());
}

TEST_CASE("a configuration that cannot be used is told before the first step, with its name (DMN-033)") {
  os::TempDir temp = os::TempDir::Make("net").value();
  NetworkOptions options;
  options.dir = temp.path() + "/state";
  options.mode = "cni";
  options.config_path = temp.path() + "/x.conflist";
  options.plugin_dir = temp.path() + "/bin";
  auto said = [&] { return Message(MakeProvider(options).status()); };
  CHECK(said() == StrCat("failed to read cni config \"", options.config_path, "\": open ", options.config_path, ": no such file or directory"));
  REQUIRE(os::WriteFile(options.config_path, R"({"name":"n","type":"bridge"})", 0600).ok());
  CHECK(said().starts_with(StrCat("failed to read cni binary dir \"", options.plugin_dir, "\": ")));
  REQUIRE(os::MakeDirs(options.plugin_dir, 0755).ok());
  CHECK(said() == StrCat("cni config \"", options.config_path, "\": no list of \"plugins\""));
  options.mode = "bridge";
  CHECK(said().starts_with(StrCat("failed to find CNI bridge \"", options.plugin_dir, "/bridge\" or buildkit-cni-bridge")));
}
