// Instructions that change the image configuration, and the way to the others.
#include <algorithm>

#include "base/go_parse.h"
#include "base/path.h"
#include "base/unicode.h"
#include "daemon/frontend/dockerfile/convert/checks.h"
#include "daemon/frontend/dockerfile/convert/conversion.h"
#include "daemon/frontend/dockerfile/convert/os_path.h"

namespace bk::dockerfile {
namespace {

std::string Join(const std::vector<std::string>& words, std::string_view separator) {
  std::string out;
  for (size_t i = 0; i < words.size(); i++) out += (i == 0 ? "" : std::string(separator)) + words[i];
  return out;
}

// Go's %v and %q of a list.
std::string ListText(const std::vector<std::string>& words) { return "[" + Join(words, " ") + "]"; }
std::string QuotedList(std::vector<std::string> words) {
  for (std::string& word : words) word = Quote(word);
  return ListText(words);
}

bool IsSignal(const std::string& text) {
  if (auto number = ParseInt(text); number.ok()) return *number != 0;
  static const std::set<std::string> names = [] {
    std::set<std::string> all = {"ABRT", "ALRM", "BUS", "CHLD", "CLD", "CONT", "FPE", "HUP", "ILL", "INT", "IO", "IOT",
                                 "KILL", "PIPE", "POLL", "PROF", "PWR", "QUIT", "SEGV", "STKFLT", "STOP", "SYS", "TERM", "TRAP",
                                 "TSTP", "TTIN", "TTOU", "URG", "USR1", "USR2", "VTALRM", "WINCH", "XCPU", "XFSZ", "RTMIN", "RTMAX"};
    for (int i = 1; i <= 15; i++) all.insert(StrCat("RTMIN+", i));
    for (int i = 1; i <= 14; i++) all.insert(StrCat("RTMAX-", i));
    return all;
  }();
  std::string name = ToUpper(text);
  if (name.starts_with("SIG")) name.erase(0, 3);
  return names.contains(name);
}

// With the stage's variables; those that are not set are found wanting.
absl::StatusOr<std::string> ExpandWord(const Lex& lex, const StageState& stage, const Command& command, const std::string& word) {
  Expansion expansion;
  absl::Status status = lex.Process(word, EnvVariables(stage.state->env()), expansion);
  CheckVariables(stage, command.instruction.location, expansion.unmatched);
  BK_RETURN_IF_ERROR(status);
  return std::move(expansion.word);
}

// What the metadata instructions do to a stage. Others stand in their own files.
class Dispatcher {
 public:
  Dispatcher(Conversion& conversion, StageState& stage, Command& command) : c_(conversion), stage_(stage), command_(command) {}

  absl::Status operator()(FromInstruction&) { return absl::OkStatus(); }
  absl::Status operator()(MaintainerInstruction& i) {
    stage_.image.author = i.maintainer;
    return Commit("MAINTAINER " + i.maintainer);
  }
  absl::Status operator()(EnvInstruction& i) {
    std::string message = "ENV";
    for (const KeyValue& pair : i.pairs) {
      CheckPair(pair);
      CheckSecretName(stage_, command_.instruction.location, "ENV", pair.key);
      message += " " + pair.key + "=" + pair.value;
      stage_.state = stage_.state->SetEnv(pair.key, pair.value);
      stage_.image.SetEnv(pair.key, pair.value);
    }
    return Commit(std::move(message));
  }
  absl::Status operator()(LabelInstruction& i) {
    std::string message = "LABEL";
    for (const KeyValue& pair : i.pairs) {
      CheckPair(pair);
      message += " " + pair.key + "=" + pair.value;
      stage_.image.labels[pair.key] = pair.value;
    }
    return Commit(std::move(message));
  }
  absl::Status operator()(OnbuildInstruction& i) {
    stage_.image.onbuild.push_back(i.expression);
    return absl::OkStatus();
  }
  absl::Status operator()(CmdInstruction& i) {
    CheckUsedOnce(stage_, command_.instruction, stage_.cmd_location);
    stage_.image.cmd = InShell(i);
    stage_.image.args_escaped = true;
    return Commit("CMD " + QuotedList(stage_.image.cmd));
  }
  absl::Status operator()(EntrypointInstruction& i) {
    CheckUsedOnce(stage_, command_.instruction, stage_.entrypoint_location);
    stage_.image.entrypoint = InShell(i);
    if (!stage_.cmd_location) stage_.image.cmd.clear();
    return Commit("ENTRYPOINT " + QuotedList(stage_.image.entrypoint));
  }
  absl::Status operator()(HealthCheckInstruction& i) {
    CheckUsedOnce(stage_, command_.instruction, stage_.health_check_location);
    stage_.image.health_check = i;
    auto duration = [](int64_t ns) { return FormatDuration(ns); };
    return Commit(StrCat("HEALTHCHECK {Test:", ListText(i.test), " Interval:", duration(i.interval_ns), " Timeout:", duration(i.timeout_ns),
                         " StartPeriod:", duration(i.start_period_ns), " StartInterval:", duration(i.start_interval_ns),
                         " Retries:", i.retries, "}"));
  }
  absl::Status operator()(UserInstruction& i) {
    stage_.state = stage_.state->SetUser(i.user);
    stage_.image.user = i.user;
    return Commit("USER " + i.user);
  }
  absl::Status operator()(VolumeInstruction& i) {
    for (const std::string& volume : i.volumes) {
      if (volume.empty()) return InvalidArgument("VOLUME specified can not be an empty string");
      stage_.image.volumes.insert(volume);
    }
    return Commit("VOLUME " + ListText(i.volumes));
  }
  absl::Status operator()(StopSignalInstruction& i) {
    if (!IsSignal(i.signal)) return InvalidArgument("invalid signal: ", i.signal);
    stage_.image.stop_signal = i.signal;
    return Commit("STOPSIGNAL " + i.signal);
  }
  absl::Status operator()(ShellInstruction& i) {
    stage_.image.shell = i.shell;
    return Commit("SHELL " + ListText(i.shell));
  }
  absl::Status operator()(ArgInstruction& i);
  absl::Status operator()(ExposeInstruction&) { return DispatchExpose(c_, stage_, command_); }
  absl::Status operator()(WorkdirInstruction& i) {
    bool relative = !stage_.workdir_set && !IsAbsoluteOn(i.path, stage_.platform->os);
    if (relative) stage_.lint.Report(LintRule::kWorkdirRelativePath, command_.instruction.location, {i.path});
    stage_.workdir_set = true;
    return DispatchWorkdir(c_, stage_, i.path, &command_.instruction);
  }
  absl::Status operator()(RunInstruction&) { return DispatchRun(c_, stage_, command_); }
  absl::Status operator()(CopyInstruction&) { return DispatchCopy(c_, stage_, command_); }

 private:
  absl::Status Commit(std::string message) {
    AddHistory(c_, stage_, std::move(message), Layer::kNone);
    return absl::OkStatus();
  }
  void CheckPair(const KeyValue& pair) const {
    if (pair.no_delimiter) stage_.lint.Report(LintRule::kLegacyKeyValueFormat, command_.instruction.location, {command_.instruction.keyword});
  }
  std::vector<std::string> InShell(const CommandLine& line) const {
    bool hidden_shell = line.prepend_shell && stage_.image.shell.empty();
    if (hidden_shell) stage_.lint.Report(LintRule::kJsonArgsRecommended, command_.instruction.location, {command_.instruction.keyword});
    return line.prepend_shell ? WithShell(stage_.image, line.args) : line.args;
  }
  Conversion& c_;
  StageState& stage_;
  Command& command_;
};

absl::Status Dispatcher::operator()(ArgInstruction& i) {
  std::vector<std::string> shown;
  for (BuildArgument argument : i.args) {
    CheckSecretName(stage_, command_.instruction.location, "ARG", argument.key);
    bool inherited = false;
    auto given = c_.build_args.find(argument.key);
    if (given != c_.build_args.end()) {
      argument.value = given->second;
    } else if (argument.value) {
      BK_ASSIGN(argument.value, ExpandWord(c_.lex, stage_, command_, *argument.value));
    } else if (auto global = c_.global_args.Get(argument.key)) {
      argument.value = std::string(*global);
      inherited = true;  // its place is where the file defines it
    }
    ArgumentInfo info{argument, argument.value.value_or(""), command_.instruction.location, {}};
    if (!inherited) stage_.outline.args.insert_or_assign(argument.key, std::move(info));
    stage_.outline.used.insert(argument.key);
    if (argument.value && !IsScannerArgument(argument.key)) stage_.state = stage_.state->SetEnv(argument.key, *argument.value);
    shown.push_back(argument.key + (argument.value ? "=" + *argument.value : ""));
    stage_.build_args.push_back(std::move(argument));
  }
  return Commit("ARG " + Join(shown, " "));
}

}  // namespace

bool IsScannerArgument(std::string_view name) { return name == "BUILDKIT_SBOM_SCAN_CONTEXT" || name == "BUILDKIT_SBOM_SCAN_STAGE"; }

std::vector<std::string> WithShell(const ImageConfig& image, const std::vector<std::string>& args) {
  std::vector<std::string> out = image.shell;
  if (out.empty() && image.platform.os == "windows") out = {"cmd", "/S", "/C"};
  if (out.empty()) out = {"/bin/sh", "-c"};
  out.push_back(Join(args, " "));
  return out;
}

void AddHistory(const Conversion& conversion, StageState& stage, std::string message, Layer layer, bool suffix) {
  HistoryEntry entry;
  entry.created = conversion.epoch_text;
  entry.created_by = std::move(message) + (suffix ? " # buildkit" : "");
  entry.comment = "buildkit.dockerfile.v0";
  entry.empty_layer = layer == Layer::kNone;
  stage.image.history.Add(std::move(entry));
}

absl::Status DispatchWorkdir(Conversion& conversion, StageState& stage, const std::string& path, const Instruction* instruction) {
  const std::string& os = stage.platform->os;
  auto normal = NormalizeOsPath(stage.image.working_dir, path, os, false);
  if (!normal.ok()) return Annotate(normal.status(), "normalizing workdir: normalizing working directory");
  stage.image.working_dir = FromSlash(*normal, os);
  std::string dir = ToSlash(stage.image.working_dir, os);
  stage.state = stage.state->SetDir(dir);
  if (instruction == nullptr) return absl::OkStatus();
  bool makes_layer = dir != "/";
  if (makes_layer) {
    std::optional<llb::Owner> owner;
    if (!stage.image.user.empty()) owner = llb::Owner::Parse(stage.image.user);
    std::optional<int64_t> time_ns;
    if (conversion.epoch) time_ns = conversion.epoch->Nanoseconds();
    const llb::EnvList& env = stage.state->env();
    llb::OpOptions options;
    std::string shown = ShownCommand(conversion.lex, instruction->code, EnvVariables(env));
    options.Name(PrefixedName(conversion, stage, shown, stage.platform, env));
    options.locations.push_back(conversion.LocationOf(instruction->location));
    stage.state = stage.state->File({llb::MakeDirStep(dir, 0755, true, owner, time_ns)}, std::move(options));
  }
  AddHistory(conversion, stage, "WORKDIR " + dir, makes_layer ? Layer::kMade : Layer::kNone);
  return absl::OkStatus();
}

absl::Status Dispatch(Conversion& conversion, StageState& stage, Command& command) {
  stage.command_is_onbuild = command.is_onbuild;
  stage.lint = conversion.lint.With(command.instruction.comments);
  auto expand = [&](const Lex& lex) -> WordExpander {
    return [&](const std::string& word) { return ExpandWord(lex, stage, command, word); };
  };
  BK_RETURN_IF_ERROR(Expand(command.instruction, expand(conversion.lex)));
  static const Lex contents_lex('\\', {.skip_quotes = true});
  BK_RETURN_IF_ERROR(ExpandContents(command.instruction, expand(contents_lex)));
  return std::visit(Dispatcher(conversion, stage, command), command.instruction.body);
}

}  // namespace bk::dockerfile
