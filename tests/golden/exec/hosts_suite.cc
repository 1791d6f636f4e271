#include <sys/stat.h>
#include <unistd.h>
#include <utime.h>

#include <cstdio>
#include <ctime>
#include <filesystem>
#include <optional>

#include "base/os/file.h"
#include "sandbox/oci/hosts.h"
#include "sandbox/oci/resolv_conf.h"
#include "tests/golden/exec/suites.h"

namespace bk::golden::exec {
namespace {

std::string Mode(const std::string& path) {
  struct stat st;
  char text[8] = "absent";
  if (stat(path.c_str(), &st) == 0) std::snprintf(text, sizeof text, "%04o", st.st_mode & 07777);
  return text;
}

bk::exec::NetworkMode Network(const std::string& name) {
  if (name == "HOST") return bk::exec::NetworkMode::kHost;
  return name == "NONE" ? bk::exec::NetworkMode::kNone : bk::exec::NetworkMode::kUnset;
}

oci::DnsConfig Dns(const Json& step) {
  oci::DnsConfig dns;
  if (!step.contains("dns")) return dns;
  const Json& from = step["dns"];
  using List = std::vector<std::string>;
  dns.nameservers = from.value("nameservers", List());
  dns.options = from.value("options", List());
  dns.search_domains = from.value("searchDomains", List());
  return dns;
}

// One run of a resolvconf case: the host's two files and the daemon's directory.
struct World {
  std::string dir;
  std::optional<oci::ResolvConfFiles> files;
  std::time_t now = std::time(nullptr);

  absl::Status Change(const Json& step) {
    std::string host = dir + "/host", systemd = dir + "/systemd";
    if (step.value("host_file_removed", false)) unlink(host.c_str());
    if (step.contains("host_text")) BK_RETURN_IF_ERROR(os::WriteFile(host, Text(step["host_text"]), 0644));
    if (step.contains("systemd_text")) BK_RETURN_IF_ERROR(os::WriteFile(systemd, Text(step["systemd_text"]), 0644));
    if (!step.contains("host_mtime_rel_s")) return absl::OkStatus();
    utimbuf times = {now, now + step["host_mtime_rel_s"].get<int>()};
    utime(host.c_str(), &times);
    if (step.contains("systemd_text")) utime(systemd.c_str(), &times);
    return absl::OkStatus();
  }

  absl::StatusOr<Json> Step(const Json& step) {
    BK_RETURN_IF_ERROR(Change(step));
    auto identity = [](const std::string& path) {
      struct stat st;
      return stat(path.c_str(), &st) == 0 ? st.st_ino : 0;
    };
    bk::exec::NetworkMode network = Network(step["net"]);
    std::string expected = dir + "/state/" + (network == bk::exec::NetworkMode::kHost ? "resolv-host.conf" : "resolv.conf");
    ino_t before = identity(expected);
    auto path = files->Get(Dns(step), network);
    if (!path.ok()) return Json{{"error", Message(path.status())}};
    BK_TRY(std::string text, os::ReadFile(*path));
    return Json{{"file", os::BaseName(*path)}, {"mode", Mode(*path)}, {"text", text}, {"written", identity(*path) != before}};
  }
};

}  // namespace

absl::Status RunHosts(const Json& c, const std::string&) {
  BK_TRY(os::TempDir dir, os::TempDir::Make("golden-hosts-"));
  std::vector<bk::exec::HostIp> extra;
  for (const Json& host : c["input"]["extra_hosts"]) extra.push_back({Text(host["host"]), Text(host["ip"])});
  Json got;
  auto file = oci::MakeHostsFile(dir.path(), Text(c["input"]["hostname"]), extra);
  if (!file.ok()) {
    got["error"] = Message(file.status());
  } else {
    std::string path = file->path(), name = os::BaseName(path);
    got["file"] = name.substr(0, name.find('.') == std::string::npos ? name.size() : name.find('.') + 1);
    got["mode"] = Mode(path);
    BK_TRY(std::string text, os::ReadFile(path));
    got["text"] = text;
    *file = oci::StepFile();
    got["removed_after_run"] = !os::Exists(path);
  }
  return ExpectJson("hosts", got, c["expect"]);
}

absl::Status RunResolvConf(const Json& c, const std::string&) {
  BK_TRY(os::TempDir dir, os::TempDir::Make("golden-resolv-"));
  World world{dir.path(), {}};
  std::string state = dir.path() + "/state";
  BK_RETURN_IF_ERROR(os::MakeDirs(state, 0755));
  const Json& input = c["input"];
  const Json left_over = input.value("files_before_start", Json::object());
  for (const auto& [name, text] : left_over.items()) {
    BK_RETURN_IF_ERROR(os::WriteFile(state + "/" + name, text.get<std::string>(), 0644));
  }
  world.files.emplace(state, oci::ResolvConfFiles::Paths{dir.path() + "/host", dir.path() + "/systemd"});
  Json got = Json::array();
  for (const Json& step : input["steps"]) {
    BK_TRY(Json result, world.Step(step));
    got.push_back(std::move(result));
  }
  return ExpectJson("resolv.conf", got, c["expect"]);
}

}  // namespace bk::golden::exec
