#include <signal.h>  // exec/defaults: DMN-001, DMN-010, DMN-011, DMN-014, DMN-027, DMN-038, DMN-044, DMN-045
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <functional>

#include "base/go_parse.h"
#include "base/os/file.h"
#include "base/platform.h"
#include "base/os/process.h"
#include "client/cli/verbs.h"
#include "daemon/app/listeners.h"
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
    case flags::Kind::kInt:
    case flags::Kind::kFloat: return flag.value.empty() ? "0" : flag.value;
    case flags::Kind::kDuration: return flag.value.empty() ? "0s" : flag.value;
    default: return flag.value.empty() ? "" : Quote(flag.value);
  }
}

bool SameType(flags::Kind kind, const std::string& type) {
  switch (kind) {
    case flags::Kind::kBool: return type == "bool";
    case flags::Kind::kInt: return type == "int";
    case flags::Kind::kFloat: return type == "float";
    case flags::Kind::kDuration: return type == "duration";
    default: return type == "string";
  }
}

absl::Status CompareFlag(const flags::Flag& flag, const Json& want, const std::string& place) {
  bool by_disk = want["default"] == "$GC_DEFAULT";
  if (by_disk && flag.value.find(',') == std::string::npos) return Internal("default of collection is ", flag.value);
  if (!by_disk) BK_RETURN_IF_ERROR(ExpectText(place, DefaultText(flag), want["default"].get<std::string>()));
  std::string usage = want.value("usage", "");
  if (usage.ends_with(" (default: true)")) usage.resize(usage.size() - 16);
  BK_RETURN_IF_ERROR(ExpectText("usage", flag.usage, usage));
  if (want["repeatable"] != (flag.kind == flags::Kind::kStrings)) return Internal("repeatable differs");
  return SameType(flag.kind, want["type"]) ? absl::OkStatus() : Internal("type differs");
}

// The command that the words name, from the root on.
const flags::Command* FindCommand(const flags::Command& root, std::string_view words) {
  const flags::Command* command = &root;
  words.remove_prefix(root.name.size());
  while (command != nullptr && !words.empty()) {
    words.remove_prefix(1);
    std::string_view word = words.substr(0, words.find(' '));
    words.remove_prefix(word.size());
    auto found = std::find_if(command->commands.begin(), command->commands.end(), [&](const flags::Command& c) { return c.name == word; });
    command = found == command->commands.end() ? nullptr : &*found;
  }
  return command;
}

// "with NAME=VALUE": the variable is set, for the clients' defaults; otherwise it is not.
void EnvironmentOf(const std::string& place) {
  unsetenv("BUILDKIT_HOST");
  size_t equals = place.find('=');
  if (place.starts_with("with ") && equals != std::string::npos) setenv(place.substr(5, equals - 5).c_str(), place.substr(equals + 1).c_str(), 1);
}

absl::Status CheckFlag(const Json& c) {
  std::string words = c["input"]["command"], name = c["input"]["flag"];
  if (name == "help" || name == "version") return absl::OkStatus();  // the parser's own
  for (const auto& [place, want] : c["expect"].items()) {
    EnvironmentOf(place);
    flags::Command root = words == "buildkitd" ? config::CommandLine(Place(place), kHelpDisk) : client::MakeRoot(CancelToken::Never());
    const flags::Command* command = FindCommand(root, words);
    if (command == nullptr) return Unimplemented("command ", words, " is not built yet");
    auto flag = std::find_if(command->flags.begin(), command->flags.end(), [&](const flags::Flag& f) { return f.name == name; });
    if (flag == command->flags.end()) return Unimplemented("flag ", name, " of ", words, " is not built yet");
    BK_RETURN_IF_ERROR(CompareFlag(*flag, want, place));
  }
  return absl::OkStatus();
}

absl::Status CheckCommand(const Json& c) {
  std::string words = c["input"]["command"];
  if (words.ends_with(" help")) return absl::OkStatus();  // the parser's own
  flags::Command root = client::MakeRoot(CancelToken::Never());
  const flags::Command* command = FindCommand(root, words);
  if (command == nullptr) return Unimplemented("command ", words, " is not built yet");
  const Json& want = c["expect"];
  BK_RETURN_IF_ERROR(ExpectText("usage", command->usage, want["usage"].get<std::string>()));
  if (want.value("hidden", false) != command->hidden) return Internal("hidden differs");
  if (want.value("aliases", std::vector<std::string>()) != command->aliases) return Internal("aliases differ");
  for (const Json& name : want["flags"]) {
    bool known = name == "help" || name == "version" || std::any_of(command->flags.begin(), command->flags.end(), [&](const flags::Flag& f) { return f.name == name; });
    if (!known) return Unimplemented("flag ", name.get<std::string>(), " of ", words, " is not built yet");
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
  app::Listeners listeners;
  absl::Status status = listeners.Add(value, {});
  if (status.ok()) return ExpectJson("listener", {{"value", "unix"}}, c["expect"]);
  return ExpectJson("listener", {{"error", Message(status)}}, c["expect"]);
}

// What the settings alone do not show is refused by the running daemon. Words of failed set-ups are ours, but for addresses.
absl::Status CheckRefusal(const std::vector<std::string>& args, const std::string& dir, const std::string& want) {
  constexpr std::chrono::seconds kLimit(30);
  os::ProcessOptions options;
  options.argv = {BUILDKITD_PATH};
  options.argv.insert(options.argv.end(), args.begin(), args.end());
  options.replace_env = true;
  options.env = {"HOME=" + dir, "XDG_RUNTIME_DIR=" + dir, "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"};
  BK_TRY(os::Pipe pipe, os::MakePipe());
  options.fds = {{pipe.write.get(), 2}};
  BK_TRY(os::Process daemon, os::Process::Start(options));
  pipe.write.Reset();
  auto ended = daemon.WaitFor(kLimit);
  if (!ended.ok()) {
    daemon.KillGroup(SIGKILL);
    daemon.WaitFor(kLimit).IgnoreError();
    return Internal("buildkitd runs, want ", want);
  }
  if (ended->ShellCode() == 0) return Internal("buildkitd ended well, want ", want);
  BK_TRY(std::string said, os::ReadAll(pipe.read.get()));
  bool address = want.find("address ") == 0 || want.find("addr ") == 0;
  return !address || said.find(want) != std::string::npos ? absl::OkStatus() : ExpectText("error", said, want);
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
  if (want.starts_with("buildkitd: ")) want = want.substr(11);
  if (parsed.ok() && input["uid"] != 0) return Unimplemented("an ordinary user's daemon starts under its launcher");
  if (parsed.ok()) return CheckRefusal(args, dir.path(), want);
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
  return CheckCommand(c);
}

}  // namespace bk::golden::exec
