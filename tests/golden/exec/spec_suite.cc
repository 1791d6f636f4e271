// Each case runs through the real executor with a program in the runtime's place that keeps its arguments and config.json.
// What the step itself sees and says is left to the tests of the executor and of the daemon.
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <map>
#include <regex>

#include "base/os/file.h"
#include "base/os/mount.h"
#include "sandbox/exec/runtime_executor.h"
#include "tests/golden/exec/above_executor.h"
#include "tests/golden/exec/own_mounts.h"
#include "tests/golden/exec/step_input.h"
#include "tests/golden/exec/suites.h"

namespace bk::golden::exec {
namespace {

// "kill" is told by a file: `run` waits for it when the case is cancelled.
constexpr char kRuntime[] = R"(#!/bin/sh
dir=$(dirname "$0")
case "$1 $5" in
--version*) echo 'runc version recorded'; exit 0 ;;
*create) exit 0 ;;
esac
case "$*" in *"--force trial-"*) exit 0 ;; esac
{ for a; do printf '%s\0' "$a"; done; printf '\n'; } >> "$dir/calls"
case "$5" in
run) cp "$7/config.json" "$dir/config.json"; if [ -e "$dir/wait" ]; then echo running; while [ ! -e "$dir/killed" ]; do sleep 0.02; done; exit 137; fi ;;
kill) touch "$dir/killed" ;;
esac
)";

// The machine of the vectors.
oci::HostFacts Machine(const Json& parts, const std::string& mode, const Json& c) {
  oci::HostFacts host;
  std::string words = c.contains("daemon") ? c["daemon"].value("host", "") : "";
  host.cgroup2_alone = words.find("cgroup v1") == std::string::npos && words.find("memory.events") == std::string::npos;
  host.user_namespace = mode != "root";
  host.capabilities = parts[mode == "root" ? "$caps-ambient:insecure" : "$caps-ambient:insecure-rootless"].get<std::vector<std::string>>();
  host.free_loop = 1;
  host.seccomp.arch = "amd64";
  host.seccomp.kernel_major = 6;
  host.seccomp.kernel_minor = 18;
  return host;
}

Json Expand(const Json& value, const Json& parts) {
  if (value.is_string() && parts.contains(value.get<std::string>())) return parts[value.get<std::string>()];
  if (!value.is_structured()) return value;
  Json out = value.is_array() ? Json::array() : Json::object();
  for (const auto& [key, inner] : value.items()) {
    if (value.is_array()) {
      out.push_back(Expand(inner, parts));
    } else {
      out[key] = Expand(inner, parts);
    }
  }
  return out;
}

// Names of this run as the vectors write them.
class Names {
 public:
  Names(const StepFiles& files, std::string id) : files_(files), id_(std::move(id)) {}

  std::string Text(std::string text) {
    const std::string& dir = files_.dir();
    if (text.find(dir) == std::string::npos && text.find(id_) == std::string::npos) return text;
    text = Replace(text, std::regex(Escape(files_.executor()) + "/" + id_ + "/buildkit-mount\\d+"), "$$TMP/buildkit-mount$$N");
    return Rest(std::move(text), dir);
  }
  Json All(const Json& value) {
    if (value.is_string()) return Text(value.get<std::string>());
    if (!value.is_structured()) return value;
    Json out = value;
    for (auto& inner : out) inner = All(inner);
    return out;
  }

 private:
  static std::string Escape(const std::string& text) { return std::regex_replace(text, std::regex(R"([.\\+*?()\[\]{}|^$])"), R"(\$&)"); }
  static std::string Replace(const std::string& text, const std::regex& what, const char* with) { return std::regex_replace(text, what, with); }

  std::string Rest(std::string text, const std::string& dir) {
    std::string d = Escape(dir);
    text = Replace(text, std::regex(d + "/root/runc-overlayfs/cachemounts/\\d+/fs"), "$$ROOT/runc-overlayfs/cachemounts/buildkit$$N");
    text = Replace(text, std::regex(d + "/secrets/\\d+/fs/secret"), "$$TMP/buildkit-secrets$$N/$$RAND");
    text = Replace(text, std::regex(d + "/ssh/\\d+/fs"), "$$TMP/.buildkit-ssh-sock$$N");
    text = Replace(text, std::regex(d + "/root/"), "$$ROOT/");
    text = Replace(text, std::regex(d + "/run/"), "$$RUN/");
    text = Replace(text, std::regex("executor/hosts\\.[a-z0-9]+"), "executor/hosts.$$RAND");
    text = Replace(text, std::regex(id_), "$$ID");
    // Snapshots are numbered by first use.
    std::smatch found;
    std::regex number("snapshots/snapshots/(\\d+)/");
    while (std::regex_search(text, found, number)) {
      auto [at, added] = snapshots_.emplace(found[1].str(), snapshots_.size() + 1);
      text = found.prefix().str() + "snapshots/snapshots/$S" + std::to_string(at->second) + "/" + found.suffix().str();
    }
    return text;
  }

  const StepFiles& files_;
  std::string id_;
  std::map<std::string, size_t> snapshots_;
};

struct Recorded {
  Json calls = Json::array();
  Json spec;
};

absl::StatusOr<Recorded> Read(const std::string& dir) {
  Recorded recorded;
  std::string calls = os::ReadFile(dir + "/calls").value_or("");
  for (size_t at = 0; at < calls.size();) {
    size_t end = calls.find('\n', at);
    Json call = Json::array();
    for (size_t i = at; i < end;) {
      size_t stop = calls.find('\0', i);
      call.push_back(calls.substr(i, stop - i));
      i = stop + 1;
    }
    recorded.calls.push_back(std::move(call));
    at = end + 1;
  }
  if (auto text = os::ReadFile(dir + "/config.json"); text.ok()) recorded.spec = Json::parse(*text);
  return recorded;
}

bk::exec::RuntimeOptions Options(const Json& c, const Json& parts, const std::string& mode, const StepFiles& files) {
  bk::exec::RuntimeOptions options;
  options.root = files.executor();
  options.binary = files.dir() + "/runtime/runc";
  options.rootless = mode != "root";
  options.process_sandbox = mode != "nosandbox";
  options.host = Machine(parts, mode, c);
  std::string config = c.contains("daemon") ? c["daemon"].value("config", "") : "";
  std::smatch parent;
  if (std::regex_search(config, parent, std::regex("defaultCgroupParent = \"([^\"]*)\""))) options.cgroup_parent = parent[1];
  return options;
}

bool WithoutDevices(const Json& c) { return c.contains("daemon") && c["daemon"].value("flags", Json::array()).dump().find("--cdi-disabled") != std::string::npos; }

// The executor's part of the error that a client sees.
absl::Status CheckError(const absl::Status& status, const Json& want) {
  std::string text = want.value("error", "");
  if (text.ends_with(Message(status))) return absl::OkStatus();
  return ExpectText("error", Message(status), text);
}

absl::Status CheckMode(const Json& c, const Json& want, const Json& parts, const std::string& mode) {
  BK_TRY(os::TempDir dir, os::TempDir::Make("golden-spec-"));
  // A file system of its own has no flags that could be locked.
  BK_RETURN_IF_ERROR(os::MountAt({"tmpfs", "tmpfs", {}}, dir.path()));
  BK_TRY(os::TempMount mounted, os::TempMount::Adopt(dir.path()));
  StepFiles files(dir.path());
  for (const char* name : {"/runtime", "/run"}) BK_RETURN_IF_ERROR(os::MakeDirs(dir.path() + name, 0755));
  BK_RETURN_IF_ERROR(os::WriteFile(dir.path() + "/runtime/runc", kRuntime, 0755));
  BK_RETURN_IF_ERROR(os::WriteFile(files.trace_socket(), "", 0600));
  auto made = files.Make(c["input"], mode != "root");
  // Such a case needs no executor, and so no mode: the daemon refuses it here as there.
  if (absl::IsUnimplemented(made.status()) && want.contains("error")) return mode == "root" ? ExpectRefusedByDaemon(c["input"], want["error"], !WithoutDevices(c)) : absl::OkStatus();
  BK_RETURN_IF_ERROR(made.status());
  StepInput& step = *made;
  BK_TRY(auto executor, bk::exec::MakeRuntimeExecutor(Options(c, parts, mode, files)));
  CancelSource source;
  bk::exec::Stdio stdio;
  if (c["input"].contains("client_cancels_after_ms")) {
    BK_RETURN_IF_ERROR(os::WriteFile(dir.path() + "/runtime/wait", "", 0644));
    stdio.output = [&](int, std::string_view) { source.Cancel(); };
  }
  const std::string id = "0goldenid";
  auto exit = executor->Run(source.token(), id, step.root, step.mounts, step.process, stdio);
  if (!want.contains("spec")) {
    if (!exit.ok() && CheckError(exit.status(), want).ok()) return absl::OkStatus();
    return mode == "root" ? ExpectRefusedByDaemon(c["input"], want["error"], !WithoutDevices(c)) : absl::OkStatus();
  }
  if (!exit.ok() && !absl::IsCancelled(exit.status())) return exit.status();
  executor.reset();  // which deletes what steps left behind
  BK_TRY(Recorded recorded, Read(dir.path() + "/runtime"));
  Names names(files, id);
  Json calls = Json::array();
  for (Json call : recorded.calls) calls.push_back(names.All(call));
  BK_RETURN_IF_ERROR(ExpectJson("spec", names.All(recorded.spec), Expand(want.value("spec", Json()), parts)));
  return want.contains("runtime") ? ExpectJson("runtime", calls, want["runtime"]) : absl::OkStatus();
}

absl::StatusOr<Json> Parts(const std::string& file_dir) {
  static const std::string text = os::ReadFile(file_dir + "/seccomp.json").value_or("{}");
  return Json::parse(text);
}

}  // namespace

absl::Status RunSpec(const Json& c, const std::string& file_dir) {
  BK_RETURN_IF_ERROR(OwnMounts());
  BK_TRY(Json parts, Parts(file_dir));
  for (const char* mode : {"root", "rootless", "nosandbox"}) {
    if (!c["expect"].contains(mode)) continue;
    Json want = c["expect"][mode];
    if (want.is_string()) want = c["expect"][want.get<std::string>().substr(3)];
    absl::Status status = CheckMode(c, want, parts, mode);
    if (!status.ok()) return Annotate(status, mode);
  }
  return absl::OkStatus();
}

absl::Status RunSpecVariant(const Json& c, const std::string& file_dir) {
  BK_RETURN_IF_ERROR(OwnMounts());
  BK_TRY(Json parts, Parts(file_dir));
  return CheckMode(c, c["expect"], parts, "root");
}

}  // namespace bk::golden::exec
