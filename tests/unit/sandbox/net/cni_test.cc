// Plugins are shell scripts here: what they are told and what is made of their answers.
#include "sandbox/net/cni.h"

#include <doctest/doctest.h>

#include <nlohmann/json.hpp>
#include <thread>

#include "base/os/file.h"
#include "base/split.h"

using namespace bk;
using namespace bk::net;
using Json = nlohmann::json;

namespace {

struct Plugins {
  Plugins() {
    // Each writes what it was told to calls, one JSON a line, and answers with `answer`.NAME.
    Script("a", R"(echo '{"cniVersion":"1.0.0","ips":[{"address":"10.1.0.2/24"}]}')");
    Script("b", R"(echo '{"cniVersion":"1.0.0","from":"b"}')");
  }
  void Script(const std::string& name, const std::string& rest) const {
    std::string text = StrCat("#!/bin/sh\nprintf '{\"plugin\":\"", name, "\",\"command\":\"%s\",\"id\":\"%s\",\"netns\":\"%s\",\"ifname\":\"%s\",\"path\":\"%s\",\"args\":\"%s\",\"in\":' ",
                              "\"$CNI_COMMAND\" \"$CNI_CONTAINERID\" \"$CNI_NETNS\" \"$CNI_IFNAME\" \"$CNI_PATH\" \"$CNI_ARGS\" >>", temp.path(), "/calls\n",
                              "cat >>", temp.path(), "/calls\necho '}' >>", temp.path(), "/calls\n", rest, "\n");
    REQUIRE(os::WriteFile(temp.path() + "/" + name, text, 0755).ok());
  }
  std::vector<Json> Calls() const {
    std::vector<Json> calls;
    std::string text = os::ReadFile(temp.path() + "/calls").value_or("");
    for (std::string_view line : SplitNonEmpty(text, '\n')) calls.push_back(Json::parse(line));
    return calls;
  }
  Attachment To(const std::string& hostname = "") const { return {.id = "id1", .netns = "/run/ns", .hostname = hostname, .plugin_dirs = {"/nowhere", temp.path()}}; }
  os::TempDir temp = os::TempDir::Make("cni").value();
};

NetworkList List(const std::vector<std::string>& types, const char* version = "1.0.0") {
  NetworkList list{.name = "n", .version = version, .plugins = {}};
  for (const std::string& type : types) list.plugins.push_back({type, Json{{"type", type}}.dump()});
  return list;
}

}  // namespace

TEST_CASE("ADD runs the plugins in order, each with the result of the one before (EXE-043)") {
  Plugins plugins;
  auto result = AddNetwork(CancelToken::Never(), List({"a", "b"}), plugins.To("box"));
  REQUIRE(result.ok());
  CHECK(Json::parse(*result)["from"] == "b");
  std::vector<Json> calls = plugins.Calls();
  REQUIRE(calls.size() == 2);
  for (const Json& call : calls) {
    CHECK(call["command"] == "ADD");
    CHECK(call["id"] == "id1");
    CHECK(call["netns"] == "/run/ns");
    CHECK(call["ifname"] == "eth0");
    CHECK(call["path"] == "/nowhere:" + plugins.temp.path());
    CHECK(call["args"] == "K8S_POD_NAME=box;IgnoreUnknown=1");
    CHECK(call["in"]["name"] == "n");
    CHECK(call["in"]["cniVersion"] == "1.0.0");
  }
  CHECK(calls[0]["plugin"] == "a");
  CHECK_FALSE(calls[0]["in"].contains("prevResult"));
  CHECK(calls[1]["in"]["prevResult"]["ips"][0]["address"] == "10.1.0.2/24");
}

TEST_CASE("DEL runs them the other way round, all of them, with the result; the first failure is told") {
  Plugins plugins;
  plugins.Script("b", R"(echo '{"code":7,"msg":"gone"}'; exit 1)");
  absl::Status status = DelNetwork(List({"a", "b"}), plugins.To(), R"({"from":"b"})");
  CHECK(Message(status) == R"(plugin type="b" failed (delete): gone)");
  std::vector<Json> calls = plugins.Calls();
  REQUIRE(calls.size() == 2);
  CHECK(calls[0]["plugin"] == "b");
  CHECK(calls[1]["plugin"] == "a");
  for (const Json& call : calls) {
    CHECK(call["command"] == "DEL");
    CHECK(call["args"] == "");
    CHECK(call["in"]["prevResult"]["from"] == "b");
  }
}

TEST_CASE("DEL of an old list is not told the result") {
  Plugins plugins;
  REQUIRE(DelNetwork(List({"a"}, "0.3.1"), plugins.To(), R"({"from":"b"})").ok());
  CHECK_FALSE(plugins.Calls().at(0)["in"].contains("prevResult"));
}

TEST_CASE("a plugin that fails is named with its own words, and no other runs after it") {
  Plugins plugins;
  auto said = [&](const std::string& rest) {
    plugins.Script("a", rest);
    return Message(AddNetwork(CancelToken::Never(), List({"a", "b"}), plugins.To()).status());
  };
  CHECK(said(R"(echo '{"code":11,"msg":"no address","details":"range is full"}'; exit 1)") == R"(plugin type="a" failed (add): no address; range is full)");
  CHECK(said("echo broken >&2; exit 3") == R"(plugin type="a" failed (add): broken)");
  CHECK(said("exit 3") == R"(plugin type="a" failed (add): exit code 3)");
  CHECK(said("echo words") == R"(plugin type="a" failed (add): its answer is no JSON object)");
  for (const Json& call : plugins.Calls()) CHECK(call["plugin"] == "a");
}

TEST_CASE("a plugin that is not there is named with the directories") {
  Plugins plugins;
  absl::Status status = AddNetwork(CancelToken::Never(), List({"none"}), plugins.To()).status();
  CHECK(Message(status) == StrCat(R"(plugin type="none" failed (add): failed to find plugin "none" in path [/nowhere:)", plugins.temp.path(),
                                  "] (install it there, or name another directory with --oci-cni-binary-dir)"));
}

TEST_CASE("a cancelled ADD ends the plugin and says why it was cancelled") {
  Plugins plugins;
  plugins.Script("a", "sleep 100");
  CancelSource source;
  std::thread cancel([&] {
    while (!os::Exists(plugins.temp.path() + "/calls")) std::this_thread::yield();
    source.Cancel(Cancelled("enough"));
  });
  absl::Status status = AddNetwork(source.token(), List({"a"}), plugins.To()).status();
  cancel.join();
  CHECK(Message(status) == "enough");
}
