#include "client/cli/completion.h"

#include <algorithm>
#include <cstdio>

#include "client/cli/verbs.h"

namespace bk::client {
namespace {

using flags::Command;
using flags::Flag;
using flags::Kind;
using Path = std::vector<const Command*>;
using Paths = Completion::Paths;

// What the values of a flag look like.
struct ValueRow {
  std::string_view flag;
  std::vector<std::string_view> values;
  Paths paths = Paths::kNone;
};

const std::vector<ValueRow>& ValueRows() {
  static const std::vector<ValueRow> rows = {
      {"progress", {"auto", "plain", "tty", "rawjson", "quiet"}},
      {"log-format", {"json", "text"}},
      {"format", {"json", "{{json .}}"}},
      {"addr", {"unix://", "tcp://", "ssh://", "docker-container://", "podman-container://", "nerdctl-container://", "kube-pod://"}},
      {"frontend", {"dockerfile.v0", "gateway.v0"}},
      {"output", {"type=image", "type=local", "type=tar", "type=oci", "type=docker"}},
      {"export-cache", {"type=registry", "type=local", "type=inline", "type=s3", "type=azblob", "type=gha"}},
      {"import-cache", {"type=registry", "type=local", "type=s3", "type=azblob", "type=gha"}},
      {"opt", {"filename=", "target=", "platform=", "build-arg:", "build-context:", "label:", "source=", "no-cache=", "requestid=", "add-hosts="}},
      {"local", {"context=", "dockerfile="}, Paths::kDirectories},
      {"oci-layout", {}, Paths::kDirectories},
      {"allow", {"network.host", "security.insecure", "device"}},
      {"secret", {"id="}},
      {"ssh", {"default"}, Paths::kFiles},
      {"registry-auth-tlscontext", {"host="}},
      {"debug-json-cache-metrics", {"stdout", "stderr"}, Paths::kFiles},
      {"metadata-file", {}, Paths::kFiles},
      {"ref-file", {}, Paths::kFiles},
      {"source-policy-file", {}, Paths::kFiles},
      {"trace", {}, Paths::kFiles},
      {"lock", {}, Paths::kFiles},
      {"tlscacert", {}, Paths::kFiles},
      {"tlscert", {}, Paths::kFiles},
      {"tlskey", {}, Paths::kFiles},
      {"tlsdir", {}, Paths::kDirectories},
      {"root", {}, Paths::kDirectories},
  };
  return rows;
}

// Verbs whose arguments are files.
constexpr std::string_view kFileVerbs[] = {"dump-llb"};

const Flag* FindFlag(const Path& path, std::string_view name) {
  for (size_t i = path.size(); i-- > 0;) {
    for (const Flag& flag : path[i]->flags) {
      bool named = flag.name == name || std::find(flag.aliases.begin(), flag.aliases.end(), name) != flag.aliases.end();
      if (named && (i + 1 == path.size() || !flag.local)) return &flag;
    }
  }
  return nullptr;
}

std::string_view FlagName(std::string_view word) {
  word.remove_prefix(std::min(word.find_first_not_of('-'), word.size()));
  return word.substr(0, word.find('='));
}

void Offer(Completion& out, std::string_view typed, std::string text, const std::string& description) {
  if (text.starts_with(typed)) out.candidates.push_back({std::move(text), description});
}

// `start` ("--progress=") stands before the value in the same word.
void OfferValues(Completion& out, const Flag& flag, std::string_view start, std::string_view typed) {
  for (const ValueRow& row : ValueRows()) {
    if (row.flag != flag.name) continue;
    std::string whole = StrCat(start, typed);
    for (std::string_view value : row.values) Offer(out, whole, StrCat(start, value), "");
    size_t equals = typed.find('=');
    bool keyed = flag.name == "local" || flag.name == "oci-layout" || flag.name == "ssh";  // NAME=PATH
    if (row.paths == Paths::kNone || (keyed && equals == std::string_view::npos)) return;
    out.paths = row.paths;
    out.path_start = StrCat(start, keyed ? typed.substr(0, equals + 1) : std::string_view());
    return;
  }
}

void OfferFlags(Completion& out, const Path& path, std::string_view typed) {
  for (size_t i = path.size(); i-- > 0;) {
    for (const Flag& flag : path[i]->flags) {
      if (flag.hidden || (i + 1 < path.size() && flag.local)) continue;
      Offer(out, typed, "--" + flag.name, flag.usage);
      if (typed.size() > 1) continue;
      for (const std::string& alias : flag.aliases) {
        if (alias.size() == 1) Offer(out, typed, "-" + alias, flag.usage);
      }
    }
  }
  Offer(out, typed, "--help", "show help");
  if (path.size() == 1) Offer(out, typed, "--version", "print the version");
}

}  // namespace

Completion Complete(const Command& root, const std::vector<std::string>& words) {
  Completion out;
  Path path{&root};
  const Flag* waiting = nullptr;  // whose value is the next word
  bool only_arguments = false, arguments = false;
  for (size_t i = 0; i + 1 < words.size(); i++) {
    const std::string& word = words[i];
    if (waiting != nullptr) {
      waiting = nullptr;
    } else if (!only_arguments && word == "--") {
      only_arguments = true;
    } else if (!only_arguments && word.starts_with('-') && word.size() > 1) {
      const Flag* flag = FindFlag(path, FlagName(word));
      if (flag != nullptr && flag->kind != Kind::kBool && word.find('=') == std::string::npos) waiting = flag;
    } else if (!arguments) {
      auto next = std::find_if(path.back()->commands.begin(), path.back()->commands.end(), [&](const Command& c) { return c.name == word || std::find(c.aliases.begin(), c.aliases.end(), word) != c.aliases.end(); });
      arguments = next == path.back()->commands.end();
      if (!arguments) path.push_back(&*next);
    }
  }
  std::string_view typed = words.empty() ? std::string_view() : std::string_view(words.back());
  size_t equals = typed.find('=');
  if (waiting != nullptr) {
    OfferValues(out, *waiting, "", typed);
  } else if (!only_arguments && typed.starts_with('-') && equals != std::string_view::npos) {
    if (const Flag* flag = FindFlag(path, FlagName(typed))) OfferValues(out, *flag, typed.substr(0, equals + 1), typed.substr(equals + 1));
  } else if (!only_arguments && typed.starts_with('-')) {
    OfferFlags(out, path, typed);
  } else {
    for (const Command& command : path.back()->commands) {
      if (!command.hidden && !arguments) Offer(out, typed, command.name, command.usage);
    }
    bool files = std::find(std::begin(kFileVerbs), std::end(kFileVerbs), path.back()->name) != std::end(kFileVerbs);
    if (files) out.paths = Paths::kFiles;
  }
  return out;
}

std::string CompletionText(const Completion& completion) {
  std::string out;
  for (const auto& candidate : completion.candidates) {
    std::string description = candidate.description.substr(0, candidate.description.find('\n'));
    out += StrCat(candidate.text, description.empty() ? "" : "\t", description, "\n");
  }
  if (completion.paths == Paths::kFiles) out += StrCat(":files ", completion.path_start, "\n");
  if (completion.paths == Paths::kDirectories) out += StrCat(":directories ", completion.path_start, "\n");
  return out;
}

flags::Command MakeCompletion() {
  flags::Command command{"completion", {}, "Output shell completion script for bash, zsh, fish, or Powershell"};
  command.hidden = true;
  command.action = [](const flags::Values& values) -> absl::Status {
    BK_TRY(std::string script, CompletionScript(values.args()));
    std::fputs(script.c_str(), stdout);
    return absl::OkStatus();
  };
  return command;
}

}  // namespace bk::client
