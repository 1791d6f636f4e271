#include "daemon/config/config.h"

#include <doctest/doctest.h>

#include "base/os/file.h"
#include "daemon/config/table.h"

namespace bk::config {
namespace {

Surroundings Root() {
  Surroundings here;
  here.env = {{"USER", "root"}, {"HOME", "/root"}};
  return here;
}

// Parses with a configuration file of its own.
absl::StatusOr<Parsed> ParseWith(const std::string& toml, std::vector<std::string> args = {}, Surroundings here = Root()) {
  os::TempDir dir = os::TempDir::Make("bk-config-").value();
  std::string path = dir.path() + "/b.toml";
  REQUIRE(os::WriteFile(path, toml, 0644).ok());
  args.insert(args.begin(), {"--config", path});
  return Parse(args, here);
}

std::string ErrorOf(const absl::StatusOr<Parsed>& parsed) { return Message(parsed.status()); }
bool Has(const std::string& text, std::string_view part) { return text.find(part) != std::string::npos; }

TEST_CASE("flags go before the file, the file before the defaults") {  // DMN-011
  auto parsed = ParseWith("root = \"/file\"\n[worker.oci]\nsnapshotter = \"native\"\nmax-parallelism = 3\n[log]\nlevel = \"warn\"\n", {"--root=/flag", "-oci-worker-snapshotter", "overlayfs"});
  REQUIRE_MESSAGE(parsed.ok(), ErrorOf(parsed));
  CHECK(parsed->config.root == "/flag");
  CHECK(parsed->config.oci.snapshotter == "overlayfs");
  CHECK(parsed->config.oci.max_parallelism == 3);
  CHECK(parsed->config.log_level == "warn");
  CHECK(parsed->config.addresses == std::vector<std::string>{"unix:///run/buildkit/buildkitd.sock"});
  CHECK(parsed->config.drain_timeout_ms == 10'000);
}

TEST_CASE("repeated flags make a list, and commas stay") {
  auto parsed = Parse({"--addr", "unix:///a", "--addr=fd://3,4", "--oci-worker-labels", "a=b,c", "--containerd-worker=false", "--debug", "--drain-timeout=90s"}, Root());
  REQUIRE_MESSAGE(parsed.ok(), ErrorOf(parsed));
  CHECK(parsed->config.addresses == std::vector<std::string>{"unix:///a", "fd://3,4"});
  CHECK(parsed->config.oci.labels == std::map<std::string, std::string>{{"a", "b,c"}});
  CHECK(parsed->config.log_level == "debug");
  CHECK(parsed->config.drain_timeout_ms == 90'000);
}

TEST_CASE("records of builds stay by age and number; a table says both") {  // DMN-065
  auto usual = ParseWith(""), table = ParseWith("[history]\nmaxEntries = 5\n"), text = ParseWith("[history]\nmaxAge = \"1h30m\"\n");
  CHECK(usual->config.history.max_entries == 50);
  CHECK(usual->config.history.max_age_ns == int64_t{48} * 3600 * 1'000'000'000);
  CHECK(table->config.history.max_entries == 5);
  CHECK(table->config.history.max_age_ns == 0);
  CHECK(text->config.history.max_entries == 0);
  CHECK(text->config.history.max_age_ns == int64_t{5400} * 1'000'000'000);
  CHECK(Has(ErrorOf(ParseWith("[history]\nmaxEntries = -1\n")), "history.maxEntries -1 must be 0 or more"));
}

TEST_CASE("flags and keys that are not built are refused by name") {
  CHECK(ErrorOf(Parse({"--debugaddr=:6060"}, Root())) == "--debugaddr is not built yet");
  CHECK(Has(ErrorOf(Parse({"--containerd-worker=true"}, Root())), "containerd worker is not built yet"));
  CHECK(Has(ErrorOf(ParseWith("[system]\nplatformsCacheMaxAge = 5\n")), "not built yet: system.platformsCacheMaxAge (line 2"));
  CHECK(Has(ErrorOf(ParseWith("[worker.containerd]\nenabled = true\n")), "not built yet"));
  CHECK(ParseWith("[worker.containerd]\nenabled = false\n").ok());
  CHECK(Has(ErrorOf(ParseWith("[worker.containerd]\ngc = true\n")), "not built yet: worker.containerd.gc"));
  CHECK(ParseWith("[worker.containerd]\nenabled = false\ngc = true\n[[worker.containerd.gcpolicy]]\nall = true\n").ok());
  CHECK(Has(ErrorOf(ParseWith("[worker.containerd]\nenabled = false\ngc = 5\n")), "line 3"));
  CHECK(ParseWith("[worker.containerd]\nenabled = true\ngc = true\n", {"--containerd-worker=false"}).ok());
}

TEST_CASE("flags and keys that nobody knows are unknown") {
  CHECK(Has(ErrorOf(Parse({"--nosuch"}, Root())), "flag provided but not defined: -nosuch"));
  CHECK(Has(ErrorOf(ParseWith("[worker.oci]\n\nnosuch = 1\n")), "unknown key worker.oci.nosuch (line 3, column 1)"));
  CHECK(Has(ErrorOf(Parse({"word"}, Root())), "unexpected argument \"word\""));
}

TEST_CASE("a value of the wrong type is refused with its place") {
  CHECK(Has(ErrorOf(ParseWith("debug = true\nroot = 5\n")), "line 2, column 8: root must be text, not an integer"));
  CHECK(Has(ErrorOf(ParseWith("[grpc]\naddress = [\"unix:///a\", 1]\n")), "line 2, column 25: grpc.address must be a list of texts, not an integer"));
  CHECK(Has(ErrorOf(ParseWith("[worker.oci.gcpolicy]\nall = true\n")), "must be a list of tables"));
  CHECK(Has(ErrorOf(ParseWith("root =\n")), "line 1"));
}

TEST_CASE("choices that cannot work are refused") {
  CHECK(Has(ErrorOf(Parse({"--oci-worker-snapshotter=nosuch"}, Root())), "unknown snapshotter name: \"nosuch\""));
  CHECK(Has(ErrorOf(Parse({"--oci-worker-no-process-sandbox"}, Root())), "can't enable NoProcessSandbox without Rootless"));
  CHECK(Has(ErrorOf(Parse({"--log-format=xml"}, Root())), "unsupported log type \"xml\""));
  CHECK(Has(ErrorOf(Parse({"--oci-worker=false"}, Root())), "no worker found"));
  CHECK(Has(ErrorOf(ParseWith("[grpc]\nuid = -1\n")), "is no user or group id"));
  CHECK(Has(ErrorOf(Parse({"--oci-max-parallelism=-1"}, Root())), "must be 0 (any number) or more"));
}

TEST_CASE("registries and rules of collection come out as written") {
  auto parsed = ParseWith(
      "[registry.\"docker.io\"]\nmirrors = [\"m:5000\"]\nhttp = true\n[[registry.\"docker.io\".keypair]]\nkey = \"k\"\ncert = \"c\"\n"
      "[[worker.oci.gcpolicy]]\nkeepBytes = \"10%\"\nkeepDuration = \"48h\"\nall = true\n");
  REQUIRE_MESSAGE(parsed.ok(), ErrorOf(parsed));
  const RegistryHost& host = parsed->config.registries.at("docker.io");
  CHECK(host.mirrors == std::vector<std::string>{"m:5000"});
  CHECK(host.http == true);
  CHECK(!host.insecure.has_value());
  CHECK(host.key_pairs == std::vector<std::pair<std::string, std::string>>{{"k", "c"}});
  auto policies = EffectivePolicies(parsed->config.oci, 100LL << 30, 1);
  REQUIRE(policies.size() == 1);
  CHECK(policies[0] == GcPolicy{{}, true, 172'800'000'000'000, 11'000'000'000, 0, 0});
}

TEST_CASE("in a user namespace rootless is the default, and the variable of the log level counts") {  // DMN-010, DMN-045
  Surroundings here;
  here.in_user_namespace = true;
  here.env = {{"USER", "alice"}, {"HOME", "/home/alice"}, {"XDG_RUNTIME_DIR", "/run/user/1001"}, {"BUILDKITD_LOG_LEVEL", "error"}};
  auto parsed = Parse({"--oci-worker-no-process-sandbox"}, here);
  REQUIRE_MESSAGE(parsed.ok(), ErrorOf(parsed));
  CHECK(parsed->config.rootless);
  CHECK(parsed->config.oci.no_process_sandbox);
  CHECK(parsed->config.root == "/home/alice/.local/share/buildkit");
  CHECK(parsed->config.log_level == "error");
}

TEST_CASE("private networks: flags, keys and their defaults (DMN-032, DMN-033, DMN-044, DMN-074, DMN-075)") {
  OciWorker plain = Parse({}, Root())->config.oci;
  CHECK(plain.network_mode == "auto");
  CHECK(plain.cni_config == "/etc/buildkit/cni.json");
  CHECK(plain.cni_plugin_dir == "/opt/cni/bin");
  CHECK(plain.cni_pool_size == 0);
  CHECK(plain.bridge_name == "buildkit0");
  CHECK(plain.bridge_subnet == "10.10.0.0/16");
  OciWorker flags = Parse({"--oci-worker-net=cni", "--oci-cni-config-path=/a.conflist", "--oci-cni-binary-dir=/b", "--oci-cni-pool-size=3"}, Root())->config.oci;
  CHECK(flags.network_mode == "cni");
  CHECK(flags.cni_config == "/a.conflist");
  CHECK(flags.cni_plugin_dir == "/b");
  CHECK(flags.cni_pool_size == 3);
  auto file = ParseWith("[worker.oci]\nnetworkMode = \"bridge\"\ncniConfigPath = \"/c\"\ncniBinaryPath = \"/d\"\ncniPoolSize = 16\nbridgeName = \"br7\"\nbridgeSubnet = \"10.7.0.0/24\"\n");
  REQUIRE(file.ok());
  CHECK(file->config.oci.network_mode == "bridge");
  CHECK(file->config.oci.cni_config == "/c");
  CHECK(file->config.oci.cni_plugin_dir == "/d");
  CHECK(file->config.oci.cni_pool_size == 16);
  CHECK(file->config.oci.bridge_name == "br7");
  CHECK(file->config.oci.bridge_subnet == "10.7.0.0/24");
  CHECK(Has(ErrorOf(Parse({"--oci-cni-pool-size=-1"}, Root())), "a pool of -1 networks (0 to 1000)"));
  CHECK(Has(ErrorOf(ParseWith("[worker.oci]\nbridgeName = \"a-name-that-is-too-long\"\n")), "is no name of an interface (1 to 15 bytes"));
}

TEST_CASE("help and version are printed, and help hides what is not built") {
  auto help = Parse({"--help"}, Root());
  REQUIRE(help.ok());
  CHECK(Has(help->print, "--oci-worker-snapshotter"));
  CHECK(!Has(help->print, "--debugaddr"));
  auto version = Parse({"-v"}, Root());
  REQUIRE(version.ok());
  CHECK(version->print.starts_with("buildkitd "));
}

TEST_CASE("docs/buildkitd.md names every flag and key") {
  std::string text = os::ReadFile("docs/buildkitd.md").value_or("");
  for (const FlagRow& row : FlagRows()) CHECK_MESSAGE(Has(text, StrCat("`--", row.name, "`")), row.name);
  for (const KeyRow& row : KeyRows()) {
    std::string name = row.path;
    std::erase(name, '\\');
    CHECK_MESSAGE(Has(text, StrCat("`", name, "`")), name);
  }
}

TEST_CASE("every row of the tables has a doc line and a name of its own") {
  std::map<std::string, int> names;
  for (const FlagRow& row : FlagRows()) {
    CHECK((std::string_view(row.doc) != "" || !row.built()));
    CHECK(names[row.name]++ == 0);
  }
  for (const KeyRow& row : KeyRows()) {
    CHECK(std::string_view(row.doc) != "");
    CHECK(names[row.path + std::string(" key")]++ == 0);
  }
}

}  // namespace
}  // namespace bk::config
