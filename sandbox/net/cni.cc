#include "sandbox/net/cni.h"

#include <unistd.h>

#include <nlohmann/json.hpp>
#include <thread>

#include "base/os/file.h"
#include "base/os/process.h"

extern char** environ;

namespace bk::net {
namespace {

using Json = nlohmann::json;

constexpr std::chrono::seconds kPluginLimit(60);
constexpr const char* kInterface = "eth0";

// A token that is cancelled with `parent`, and when the time for a plugin is over.
class Limited {
 public:
  explicit Limited(const CancelToken& parent) : source_(parent), watch_([this] {
    if (over_.token().SleepFor(kPluginLimit).ok()) source_.Cancel(DeadlineExceeded("no answer within ", kPluginLimit.count(), " s"));
  }) {}
  ~Limited() {
    over_.Cancel();
    watch_.join();
  }
  CancelToken token() const { return source_.token(); }

 private:
  CancelSource source_, over_;
  std::thread watch_;
};

// As in $PATH.
std::string Joined(const std::vector<std::string>& dirs) {
  std::string out;
  for (const std::string& dir : dirs) {
    if (!out.empty()) out += ':';
    out += dir;
  }
  return out;
}

absl::StatusOr<std::string> FindPlugin(const std::string& type, const std::vector<std::string>& dirs) {
  for (const std::string& dir : dirs) {
    std::string path = os::JoinPath(dir, type);
    if (access(path.c_str(), X_OK) == 0) return path;
  }
  return NotFound("failed to find plugin ", Quote(type), " in path [", Joined(dirs), "] (install it there, or name another directory with --oci-cni-binary-dir)");
}

std::vector<std::string> Environment(const char* command, const Attachment& attachment) {
  std::vector<std::string> env;
  for (char** entry = environ; *entry != nullptr; entry++) {
    if (!std::string_view(*entry).starts_with("CNI_")) env.emplace_back(*entry);
  }
  env.push_back(StrCat("CNI_COMMAND=", command));
  env.push_back("CNI_CONTAINERID=" + attachment.id);
  env.push_back("CNI_NETNS=" + attachment.netns);
  env.push_back(StrCat("CNI_IFNAME=", kInterface));
  env.push_back("CNI_PATH=" + Joined(attachment.plugin_dirs));
  env.push_back(attachment.hostname.empty() ? "CNI_ARGS=" : StrCat("CNI_ARGS=K8S_POD_NAME=", attachment.hostname, ";IgnoreUnknown=1"));
  return env;
}

// What a plugin that failed says: an error object on its output, else whatever it wrote.
std::string Complaint(const os::Output& output) {
  Json error = Json::parse(output.out, nullptr, false);
  if (error.is_object() && error.contains("msg") && error["msg"].is_string()) {
    std::string text = error["msg"];
    if (error.contains("details") && error["details"].is_string() && !error["details"].get<std::string>().empty()) text += "; " + error["details"].get<std::string>();
    return text;
  }
  std::string words = output.err.empty() ? output.out : output.err;
  while (!words.empty() && words.back() == '\n') words.pop_back();
  return words.empty() ? StrCat("exit code ", output.status.ShellCode()) : words;
}

absl::StatusOr<std::string> Call(const CancelToken& cancel, const char* command, const Attachment& attachment, const Plugin& plugin, const std::string& input) {
  BK_TRY(std::string path, FindPlugin(plugin.type, attachment.plugin_dirs));
  os::ProcessOptions options;
  options.argv = {path};
  options.replace_env = true;
  options.env = Environment(command, attachment);
  Limited limited(cancel);
  BK_TRY(os::Output output, os::Run(limited.token(), options, input));
  if (!output.status.success()) return Unknown(Complaint(output));
  return std::move(output.out);
}

absl::Status Named(const absl::Status& status, const Plugin& plugin, const char* command) {
  return Unknown("plugin type=", Quote(plugin.type), " failed (", command, "): ", Message(status));
}

}  // namespace

absl::StatusOr<std::string> AddNetwork(const CancelToken& cancel, const NetworkList& list, const Attachment& attachment) {
  std::string result;
  for (const Plugin& plugin : list.plugins) {
    auto answer = Call(cancel, "ADD", attachment, plugin, PluginInput(list, plugin, result));
    BK_RETURN_IF_ERROR(cancel.Check());
    if (!answer.ok()) return Named(answer.status(), plugin, "add");
    Json made = Json::parse(*answer, nullptr, false);
    if (!made.is_object()) return Named(Unknown("its answer is no JSON object"), plugin, "add");
    result = *std::move(answer);
  }
  return result;
}

absl::Status DelNetwork(const NetworkList& list, const Attachment& attachment, const std::string& result) {
  absl::Status first;
  std::string told = DelTakesResult(list) ? result : "";
  for (auto plugin = list.plugins.rbegin(); plugin != list.plugins.rend(); ++plugin) {
    auto answer = Call(CancelToken::Never(), "DEL", attachment, *plugin, PluginInput(list, *plugin, told));
    if (!answer.ok() && first.ok()) first = Named(answer.status(), *plugin, "delete");
  }
  return first;
}

}  // namespace bk::net
