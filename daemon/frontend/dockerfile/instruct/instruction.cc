#include "daemon/frontend/dockerfile/instruct/instruction.h"

#include <algorithm>
#include <map>

#include "base/go_parse.h"
#include "base/suggest.h"
#include "base/unicode.h"
#include "daemon/frontend/dockerfile/instruct/checks.h"
#include "daemon/frontend/dockerfile/instruct/flags.h"

namespace bk::dockerfile {
namespace {

using Body = absl::StatusOr<InstructionBody>;

absl::Status AtLeastOne(std::string_view name) { return InvalidArgument(name, " requires at least one argument"); }

absl::Status NoFlags(const Node& node) { return Flags(node.flags).Parse(); }

// The one argument of `name`.
absl::StatusOr<std::string> OneArgument(const Node& node, std::string_view name) {
  if (node.args.size() != 1) return InvalidArgument(name, " requires exactly one argument");
  return node.args[0];
}

// What a comment right above says of `name`: "# NAME text".
std::string DocComment(const Node& node, const std::string& name) {
  if (name.empty()) return "";
  for (const std::string& line : node.comments) {
    if (line.starts_with(name + " ")) return line.substr(name.size() + 1);
  }
  return "";
}

absl::StatusOr<std::vector<KeyValue>> Pairs(const Node& node, std::string_view name) {
  BK_RETURN_IF_ERROR(NoFlags(node));
  if (node.args.empty()) return AtLeastOne(name);
  std::vector<KeyValue> pairs;
  for (size_t i = 0; i + 2 < node.args.size(); i += 3) {
    if (node.args[i].empty()) return InvalidArgument(name, " names can not be blank");
    pairs.push_back({node.args[i], node.args[i + 1], node.args[i + 2].empty()});
  }
  return pairs;
}

Body ParseEnv(const Node& node) {
  BK_TRY(auto pairs, Pairs(node, "ENV"));
  return EnvInstruction{std::move(pairs)};
}

Body ParseLabel(const Node& node) {
  BK_TRY(auto pairs, Pairs(node, "LABEL"));
  return LabelInstruction{std::move(pairs)};
}

Body ParseMaintainer(const Node& node) {
  BK_TRY(std::string text, OneArgument(node, "MAINTAINER"));
  BK_RETURN_IF_ERROR(NoFlags(node));
  return MaintainerInstruction{text};
}

bool IsStageName(std::string_view name) {
  if (name.empty() || name[0] < 'a' || name[0] > 'z') return false;
  return name.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789-_.") == std::string_view::npos;
}

Body ParseFrom(const Node& node) {
  FromInstruction from;
  if (node.args.size() == 3 && EqualFold(node.args[1], "as")) {
    from.name = ToLower(node.args[2]);
    if (!IsStageName(from.name)) {
      return InvalidArgument("invalid name for build stage: ", Quote(node.args[2]), ", name can't start with a number or contain symbols");
    }
  } else if (node.args.size() != 1) {
    return InvalidArgument("FROM requires either one or three arguments");
  }
  Flags flags(node.flags);
  flags.Text("platform");
  BK_RETURN_IF_ERROR(flags.Parse());
  from.base = node.args[0];
  from.platform = flags.text_or("platform", "");
  from.doc = DocComment(node, from.name);
  return from;
}

absl::Status TakeSources(const Node& node, std::string_view name, CopyInstruction& copy) {
  auto heredoc_of = [](const std::string& word) {
    auto heredoc = ParseHeredocWord(word);
    return heredoc.ok() ? *std::move(heredoc) : std::nullopt;
  };
  copy.destination = node.args.back();
  if (heredoc_of(copy.destination)) return InvalidArgument(name, " cannot accept a heredoc as a destination");
  std::map<std::string, std::string> contents;
  for (const Heredoc& heredoc : node.heredocs) contents[heredoc.name] = heredoc.content;
  for (size_t i = 0; i + 1 < node.args.size(); i++) {
    auto heredoc = heredoc_of(node.args[i]);
    if (!heredoc) {
      copy.sources.push_back(node.args[i]);
      continue;
    }
    const std::string& content = contents[heredoc->name];
    copy.contents.push_back({heredoc->name, heredoc->chomp ? ChompHeredoc(content) : content, heredoc->expand});
  }
  return absl::OkStatus();
}

Body ParseCopy(const Node& node, bool is_add) {
  std::string_view name = is_add ? "ADD" : "COPY";
  if (node.args.size() < 2) {
    return InvalidArgument(name, " requires at least two arguments, but only one was provided. Destination could not be determined");
  }
  Flags flags(node.flags);
  flags.Text("chown").Text("chmod").Bool("link").List("exclude");
  if (is_add) {
    flags.Bool("keep-git-dir").Text("checksum").Bool("unpack");
  } else {
    flags.Text("from").Bool("parents");
  }
  BK_RETURN_IF_ERROR(flags.Parse());
  CopyInstruction copy;
  copy.is_add = is_add;
  BK_RETURN_IF_ERROR(TakeSources(node, name, copy));
  copy.chown = flags.text_or("chown", "");
  copy.chmod = flags.text_or("chmod", "");
  copy.link = flags.boolean("link").value_or(false);
  copy.exclude = flags.list("exclude");
  if (is_add) {
    copy.keep_git_dir = flags.boolean("keep-git-dir");
    copy.unpack = flags.boolean("unpack");
    copy.checksum = flags.text_or("checksum", "");
  } else {
    copy.from = flags.text_or("from", "");
    copy.parents = flags.boolean("parents").value_or(false);
  }
  return copy;
}

Body ParseOnbuild(const Node& node) {
  if (node.args.empty()) return AtLeastOne("ONBUILD");
  BK_RETURN_IF_ERROR(NoFlags(node));
  std::string trigger = ToUpper(TrimSpace(node.args[0]));
  if (trigger == "ONBUILD") return InvalidArgument("Chaining ONBUILD via `ONBUILD ONBUILD` isn't allowed");
  if (trigger == "MAINTAINER" || trigger == "FROM") return InvalidArgument(trigger, " isn't allowed as an ONBUILD trigger");
  constexpr std::string_view kBlanks = " \t\n\f\r";
  std::string_view original = node.original;
  std::string_view text = original.substr(std::min(original.find_first_not_of(kBlanks), original.size()));
  if (EqualFold(text.substr(0, 7), "onbuild")) {
    text.remove_prefix(7);
    original = text.substr(std::min(text.find_first_not_of(kBlanks), text.size()));
  }
  OnbuildInstruction onbuild{std::string(original)};
  for (const Heredoc& heredoc : node.heredocs) onbuild.expression += StrCat("\n", heredoc.content, heredoc.name);
  return onbuild;
}

CommandLine CommandLineOf(const Node& node) {
  if (node.args.empty() || node.is_json) return {node.args, !node.is_json};
  std::string joined = node.args[0];
  for (size_t i = 1; i < node.args.size(); i++) joined += " " + node.args[i];
  return {{joined}, true};
}

Body ParseRun(const Node& node) {
  Flags flags(node.flags);
  flags.List("mount").List("device").Text("network").Text("security");
  BK_RETURN_IF_ERROR(flags.Parse());
  RunInstruction run{CommandLineOf(node)};
  run.flags_used = flags.used();
  for (const Heredoc& heredoc : node.heredocs) run.files.push_back({heredoc.name, heredoc.content, heredoc.chomp});
  for (const std::string& flag : flags.list("device")) {
    BK_TRY(RunDevice device, ParseRunDevice(flag));
    run.devices.push_back(std::move(device));
  }
  run.mount_flags = flags.list("mount");
  for (const std::string& flag : run.mount_flags) {
    BK_TRY(RunMount mount, ParseRunMount(flag, nullptr));
    run.mounts.push_back(std::move(mount));
  }
  run.network = flags.text_or("network", "default");
  if (run.network != "default" && run.network != "none" && run.network != "host") {
    return InvalidArgument("invalid network mode ", Quote(run.network));
  }
  run.security = flags.text_or("security", "sandbox");
  if (run.security != "sandbox" && run.security != "insecure") return InvalidArgument("security ", Quote(run.security), " is not valid");
  return run;
}

Body ParseCmd(const Node& node) {
  BK_RETURN_IF_ERROR(NoFlags(node));
  return CmdInstruction{CommandLineOf(node)};
}

Body ParseEntrypoint(const Node& node) {
  BK_RETURN_IF_ERROR(NoFlags(node));
  return EntrypointInstruction{CommandLineOf(node)};
}

absl::StatusOr<int64_t> Interval(const Flags& flags, const std::string& name) {
  std::string text = flags.text_or(name, "");
  if (text.empty()) return 0;
  BK_TRY(int64_t ns, ParseDurationNs(text));
  if (ns != 0 && ns < 1'000'000) return InvalidArgument("Interval ", Quote(name), " cannot be less than 1ms");
  return ns;
}

Body ParseHealthCheck(const Node& node) {
  if (node.args.empty()) return AtLeastOne("HEALTHCHECK");
  HealthCheckInstruction check;
  std::string type = ToUpper(node.args[0]);
  Node rest;
  rest.args.assign(node.args.begin() + 1, node.args.end());
  rest.is_json = node.is_json;
  if (type == "NONE") {
    if (!rest.args.empty()) return InvalidArgument("HEALTHCHECK NONE takes no arguments");
    check.test = {type};
    return check;
  }
  Flags flags(node.flags);
  flags.Text("interval").Text("timeout").Text("start-period").Text("start-interval").Text("retries");
  BK_RETURN_IF_ERROR(flags.Parse());
  if (type != "CMD") return InvalidArgument("Unknown type ", Quote(type), " in HEALTHCHECK (try CMD)");
  if (rest.args.empty()) return InvalidArgument("Missing command after HEALTHCHECK CMD");
  check.test = CommandLineOf(rest).args;
  check.test.insert(check.test.begin(), node.is_json ? "CMD" : "CMD-SHELL");
  BK_TRY(check.interval_ns, Interval(flags, "interval"));
  BK_TRY(check.timeout_ns, Interval(flags, "timeout"));
  BK_TRY(check.start_period_ns, Interval(flags, "start-period"));
  BK_TRY(check.start_interval_ns, Interval(flags, "start-interval"));
  if (std::string retries = flags.text_or("retries", ""); !retries.empty()) {
    BK_TRY(int64_t count, ParseInt(retries, 10, 32));
    if (count < 0) return InvalidArgument("--retries cannot be negative (", count, ")");
    check.retries = static_cast<int>(count);
  }
  return check;
}

Body ParseExpose(const Node& node) {
  if (node.args.empty()) return AtLeastOne("EXPOSE");
  BK_RETURN_IF_ERROR(NoFlags(node));
  ExposeInstruction expose{node.args};
  std::sort(expose.ports.begin(), expose.ports.end());
  return expose;
}

Body ParseVolume(const Node& node) {
  if (node.args.empty()) return AtLeastOne("VOLUME");
  BK_RETURN_IF_ERROR(NoFlags(node));
  VolumeInstruction volume;
  for (const std::string& arg : node.args) {
    std::string_view path = TrimSpace(arg);
    if (path.empty()) return InvalidArgument("VOLUME specified can not be an empty string");
    volume.volumes.emplace_back(path);
  }
  return volume;
}

Body ParseArg(const Node& node) {
  if (node.args.empty()) return AtLeastOne("ARG");
  ArgInstruction arg;
  for (const std::string& word : node.args) {
    size_t equals = word.find('=');
    if (equals == 0) return InvalidArgument("ARG names can not be blank");
    BuildArgument argument;
    argument.key = word.substr(0, equals);
    if (equals != std::string::npos) argument.value = word.substr(equals + 1);
    argument.doc = DocComment(node, argument.key);
    arg.args.push_back(std::move(argument));
  }
  return arg;
}

Body ParseShell(const Node& node) {
  BK_RETURN_IF_ERROR(NoFlags(node));
  if (node.args.empty()) return AtLeastOne("SHELL");
  if (!node.is_json) return InvalidArgument("SHELL requires the arguments to be in JSON form");
  return ShellInstruction{node.args};
}

Body ParseWorkdir(const Node& node) {
  BK_TRY(std::string path, OneArgument(node, "WORKDIR"));
  BK_RETURN_IF_ERROR(NoFlags(node));
  return WorkdirInstruction{path};
}

Body ParseUser(const Node& node) {
  BK_TRY(std::string user, OneArgument(node, "USER"));
  BK_RETURN_IF_ERROR(NoFlags(node));
  return UserInstruction{user};
}

Body ParseStopSignal(const Node& node) {  // the one that lets flags pass
  BK_TRY(std::string signal, OneArgument(node, "STOPSIGNAL"));
  return StopSignalInstruction{signal};
}

// Every instruction there is.
constexpr struct {
  std::string_view keyword;
  Body (*parse)(const Node&);
} kInstructions[] = {
    {"ADD", [](const Node& n) { return ParseCopy(n, true); }},
    {"ARG", ParseArg},
    {"CMD", ParseCmd},
    {"COPY", [](const Node& n) { return ParseCopy(n, false); }},
    {"ENTRYPOINT", ParseEntrypoint},
    {"ENV", ParseEnv},
    {"EXPOSE", ParseExpose},
    {"FROM", ParseFrom},
    {"HEALTHCHECK", ParseHealthCheck},
    {"LABEL", ParseLabel},
    {"MAINTAINER", ParseMaintainer},
    {"ONBUILD", ParseOnbuild},
    {"RUN", ParseRun},
    {"SHELL", ParseShell},
    {"STOPSIGNAL", ParseStopSignal},
    {"USER", ParseUser},
    {"VOLUME", ParseVolume},
    {"WORKDIR", ParseWorkdir},
};

Body ParseBody(const Node& node) {
  std::string keyword = ToUpper(node.keyword);
  std::vector<std::string> known;
  for (const auto& row : kInstructions) {
    if (row.keyword == keyword) return row.parse(node);
    known.emplace_back(row.keyword);
  }
  return WithSuggestion(InvalidArgument("unknown instruction: ", node.keyword), node.keyword, known, false);
}

}  // namespace

absl::StatusOr<Instruction> ParseInstruction(const Node& node, const Linter& lint) {
  Linter own_lint = lint.With(node.comments);
  CheckWords(node, own_lint);
  auto body = ParseBody(node);
  if (!body.ok()) return AddLocation(body.status(), node.location());
  CheckDescription(node, *body, own_lint);
  return Instruction{node.keyword, std::string(TrimSpace(node.original)), node.location(), node.comments, *std::move(body)};
}

absl::StatusOr<Program> ParseProgram(const Dockerfile& file, const Linter& lint) {
  Program program;
  for (const Node& node : file.nodes) {
    auto instruction = ParseInstruction(node, lint);
    if (!instruction.ok()) return Annotate(instruction.status(), StrCat("dockerfile parse error on line ", node.start_line));
    if (instruction->As<FromInstruction>() != nullptr) {
      program.stages.push_back({*std::move(instruction), {}});
    } else if (!program.stages.empty()) {
      program.stages.back().commands.push_back(*std::move(instruction));
    } else if (instruction->As<ArgInstruction>() != nullptr) {
      program.meta_args.push_back(*std::move(instruction));
    } else {
      return AddLocation(InvalidArgument("no build stage in current context"), node.location());
    }
  }
  return program;
}

}  // namespace bk::dockerfile
