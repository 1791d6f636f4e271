#include "daemon/frontend/dockerfile/convert/converter.h"

#include "base/go_parse.h"
#include "base/ignore_pattern.h"
#include "base/path.h"
#include "base/suggest.h"
#include "base/unicode.h"
#include "daemon/frontend/dockerfile/convert/checks.h"
#include "daemon/frontend/dockerfile/convert/conversion.h"
#include "daemon/frontend/dockerfile/convert/range_proto.h"
#include "daemon/frontend/dockerfile/instruct/checks.h"
#include "daemon/frontend/dockerfile/parse/directive.h"

namespace bk::dockerfile {
namespace {

// Variables of the platforms, which every file may use before its first FROM.
void SetPlatformArgs(Conversion& c, const std::string& target) {
  const Platform &b = c.build_platform, &t = c.target_platform;
  const std::pair<const char*, std::string> args[] = {{"BUILDPLATFORM", FormatPlatform(b)},
                                                      {"BUILDOS", b.os},
                                                      {"BUILDOSVERSION", b.os_version},
                                                      {"BUILDARCH", b.architecture},
                                                      {"BUILDVARIANT", b.variant},
                                                      {"TARGETPLATFORM", FormatPlatformAll(t)},
                                                      {"TARGETOS", t.os},
                                                      {"TARGETOSVERSION", t.os_version},
                                                      {"TARGETARCH", t.architecture},
                                                      {"TARGETVARIANT", t.variant},
                                                      {"TARGETSTAGE", target.empty() ? "default" : target}};
  for (const auto& [key, value] : args) {
    auto given = c.build_args.find(key);
    c.global_args.Set(key, given == c.build_args.end() ? value : given->second);
  }
}

std::optional<pb::ProxyEnv> ProxyOf(const std::map<std::string, std::string>& args) {
  pb::ProxyEnv proxy;
  bool any = false;
  for (const auto& [key, value] : args) {
    std::string lower = ToLower(key);
    any = any || lower == "http_proxy" || lower == "https_proxy" || lower == "ftp_proxy" || lower == "no_proxy" || lower == "all_proxy";
    if (lower == "http_proxy") proxy.set_http_proxy(value);
    if (lower == "https_proxy") proxy.set_https_proxy(value);
    if (lower == "ftp_proxy") proxy.set_ftp_proxy(value);
    if (lower == "no_proxy") proxy.set_no_proxy(value);
    if (lower == "all_proxy") proxy.set_all_proxy(value);
  }
  if (!any) return std::nullopt;
  return proxy;
}

absl::StatusOr<Platform> StagePlatform(const Conversion& c, const Linter& lint, const Instruction& from, Expansion& expansion) {
  const std::string& expression = from.As<FromInstruction>()->platform;
  auto suggest = [&](absl::Status status) {
    std::vector<std::string> known = c.global_args.Keys();
    for (const std::string& name : expansion.unmatched) {
      absl::Status better = WithSuggestion(status, name, known, true);
      if (better.message() != status.message()) return better;
    }
    return status;
  };
  absl::Status status = c.lex.Process(expression, EnvVariables(c.global_args), expansion);
  CheckStagePlatform(c, lint, from, expansion);
  if (!status.ok()) return Annotate(status, StrCat("failed to process arguments for platform ", expansion.word));
  if (expansion.word.empty()) return suggest(InvalidArgument("empty platform value from expression ", expression));
  auto platform = ParsePlatform(expansion.word);
  if (!platform.ok()) {
    return Annotate(suggest(platform.status()), StrCat("failed to parse platform ", expression));
  }
  return platform;
}

bool CountsAsStep(const Instruction& i) {
  return i.As<CopyInstruction>() != nullptr || i.As<RunInstruction>() != nullptr || i.As<WorkdirInstruction>() != nullptr;
}

absl::Status AddStage(Conversion& c, const Stage& parsed, size_t index) {
  const FromInstruction& from = parsed.head();
  Linter lint = c.lint.With(parsed.from.comments);
  Expansion base, platform_words;
  absl::Status expanded = c.lex.Process(from.base, EnvVariables(c.global_args), base);
  CheckFromArgs(c, lint, base.unmatched, parsed.from.location);
  if (!expanded.ok()) return AddLocation(expanded, parsed.from.location);
  if (base.word.empty()) return AddLocation(InvalidArgument("base name (", from.base, ") should not be blank"), parsed.from.location);
  auto stage = std::make_unique<StageState>();
  stage->base_name = std::move(base.word);
  stage->name = from.name;
  stage->shown_name = from.name.empty() ? StrCat("stage-", index) : from.name;
  stage->source_code = parsed.from.code;
  stage->description = from.doc;
  stage->location = parsed.from.location;
  if (!from.platform.empty()) {
    auto platform = StagePlatform(c, lint, parsed.from, platform_words);
    if (!platform.ok()) {
      absl::Status status = AddLocation(platform.status(), parsed.from.location);
      // A platform that does not parse is reported with the place of the word and of the line: the same here.
      bool unparsable = platform.status().message().find("failed to parse platform") == 0;
      return unparsable ? AddLocation(status, parsed.from.location) : status;
    }
    stage->platform = *std::move(platform);
  }
  if (!from.name.empty()) {
    auto replaced = FindNamedContext(c.options, from.name, stage->platform.value_or(c.target_platform));
    if (!replaced.ok()) return replaced.status();
    stage->replaced_by = *std::move(replaced);
  }
  StageState* added = c.stages.Add(std::move(stage));
  if (added->replaced_by) {
    added->base = nullptr;
    return absl::OkStatus();
  }
  added->outline.used_in_from = std::move(base.matched);
  added->outline.used_in_from.merge(platform_words.matched);
  added->command_total = !added->is_scratch() && added->base == nullptr ? 1 : 0;
  for (const Instruction& instruction : parsed.commands) added->command_total += CountsAsStep(instruction) ? 1 : 0;
  added->ignore_cache = c.options.IgnoresCache(from.name);
  return absl::OkStatus();
}

absl::StatusOr<StageState*> FindTarget(const Conversion& c) {
  const std::string& target = c.options.target;
  if (target.empty()) return c.stages.last();
  if (StageState* found = c.stages.Find(target)) return found;
  return WithSuggestion(InvalidArgument("target stage ", Quote(target), " could not be found"), target, c.stages.ShownNames(), true);
}

// Base images, and the triggers they bring, until no trigger needs another stage.
absl::StatusOr<std::set<StageState*>> ResolveStages(Conversion& c, StageState* target) {
  while (true) {
    std::set<StageState*> reachable = ReachableStages(target);
    BK_RETURN_IF_ERROR(ResolveBaseImages(c, reachable));
    bool again = false;
    for (size_t i = 0; i < c.stages.all().size(); i++) {
      StageState& stage = *c.stages.all()[i];
      // Copying from an image fires nothing; an image may even copy from itself.
      if (!reachable.contains(&stage) || stage.hidden) continue;
      std::vector<std::string> triggers;
      if (stage.base == nullptr) {
        triggers.swap(stage.image.onbuild);
      } else if (!stage.onbuild_taken) {
        for (const Command& command : stage.base->commands) {
          if (const auto* onbuild = command.instruction.As<OnbuildInstruction>()) triggers.push_back(onbuild->expression);
        }
        stage.onbuild_taken = true;
      }
      auto added = AddTriggers(stage, triggers, c.stages, c.lex);
      if (!added.ok()) return ReplaceLocations(added.status(), stage.location);
      again = again || *added;
    }
    if (!again) return reachable;
  }
}

// What the base image's configuration means for the stage's commands.
absl::Status ApplyImage(Conversion& c, StageState& stage) {
  if (!stage.platform) stage.platform = c.target_platform;
  if (!stage.image.HasEnv("PATH") && stage.platform->os != "windows") {
    stage.image.env.push_back(StrCat("PATH=", DefaultPath(stage.platform->os)));
  }
  for (const std::string& entry : stage.image.env) {
    size_t equals = entry.find('=');
    stage.state = stage.state->SetEnv(entry.substr(0, equals), equals == std::string::npos ? "" : entry.substr(equals + 1));
  }
  if (!c.options.hostname.empty()) stage.state = stage.state->SetHostname(c.options.hostname);
  if (!stage.image.working_dir.empty()) BK_RETURN_IF_ERROR(DispatchWorkdir(c, stage, stage.image.working_dir, nullptr));
  if (!stage.image.user.empty()) stage.state = stage.state->SetUser(stage.image.user);
  stage.state = stage.state->SetNetwork(c.options.network);
  return absl::OkStatus();
}

absl::Status DispatchStages(Conversion& c, const std::set<StageState*>& reachable) {
  BK_TRY(std::vector<std::string> ignore, c.input.context->IgnorePatterns());
  BK_TRY(PatternMatcher ignored, PatternMatcher::Create(ignore));
  if (!ignored.empty()) c.ignored = std::move(ignored);
  for (const auto& owned : c.stages.all()) {
    StageState& stage = *owned;
    if (!c.input.all_stages && (!reachable.contains(&stage) || stage.dispatched)) continue;
    stage.Inherit();
    stage.dispatched = true;
    if (auto status = ApplyImage(c, stage); !status.ok()) return AddLocation(status, stage.location);
    for (Command& command : stage.commands) {
      BK_RETURN_IF_ERROR(c.input.context->cancel().Check());
      if (auto status = Dispatch(c, stage, command); !status.ok()) return AddLocation(status, command.instruction.location);
    }
  }
  return absl::OkStatus();
}

std::vector<std::string> ContextPaths(const Conversion& c, const std::set<StageState*>& reachable) {
  std::set<std::string> paths;
  for (const auto& stage : c.stages.all()) {
    if (reachable.contains(stage.get())) paths.insert(stage->context_paths.begin(), stage->context_paths.end());
  }
  return FollowPathsOf(paths);
}

void FinishImage(const Conversion& c, ImageConfig& image) {
  for (const auto& [key, value] : c.options.labels) image.labels[key] = value;
  if (!c.implicit_target) {
    const Platform& target = c.target_platform;
    bool same = target.os == image.platform.os && target.architecture == image.platform.architecture;
    image.platform.os = target.os;
    image.platform.architecture = target.architecture;
    if (!target.variant.empty() || !same) image.platform.variant = target.variant;
    if (!target.os_version.empty() || !same) image.platform.os_version = target.os_version;
    if (!target.os_features.empty()) image.platform.os_features = target.os_features;
  }
  image.platform = NormalizePlatform(image.platform);
}

// The caller's settings of the checks go before the file's.
absl::StatusOr<Linter> MakeLinter(const ConvertInput& input) {
  if (input.context->options().lint) return Linter(*input.context->options().lint, input.findings);
  auto directive = FindDirective("check", input.source->data);
  auto config = ParseLintConfig(directive ? directive->value : "");
  if (!config.ok()) return Annotate(config.status(), "failed to parse check options");
  return Linter(*std::move(config), input.findings);
}

// All stages, linked; returns the wanted one.
absl::StatusOr<StageState*> PlanStages(Conversion& c, Program program) {
  std::vector<std::vector<Instruction>> commands;
  for (size_t i = 0; i < program.stages.size(); i++) {
    BK_RETURN_IF_ERROR(AddStage(c, program.stages[i], i));
    commands.push_back(std::move(program.stages[i].commands));
  }
  BK_TRY(StageState* target, FindTarget(c));
  BK_RETURN_IF_ERROR(LinkStages(std::move(commands), c.stages, c.lex));
  return target;
}

absl::StatusOr<Converted> Finish(Conversion& c, StageState* target, const std::set<StageState*>& reachable) {
  BK_RETURN_IF_ERROR(c.lint.Verdict());
  BK_TRY(llb::State context, c.input.context->MainContext(c.graph, ContextPaths(c, reachable)));
  c.graph.Bind(c.context_promise, context.output());
  target->used_paths->insert("/");
  BindNamedDirectories(c);
  FinishImage(c, target->image);
  Converted out;
  if (c.input.outline) BK_ASSIGN(out.outline, DescribeStage(c.input.context->cancel(), *target, c.global_arg_infos));
  auto definition = c.graph.Marshal(target->state->output(), c.target_platform);
  if (!definition.ok()) return Annotate(definition.status(), "failed to marshal LLB definition");
  out.definition = *std::move(definition);
  out.image = std::move(target->image);
  out.base_image = std::move(target->base_image);
  if (c.epoch) out.epoch = c.epoch->seconds;
  return out;
}

}  // namespace

std::vector<std::string> FollowPathsOf(const std::set<std::string>& paths) {
  std::vector<std::string> out;
  for (const std::string& path : paths) {
    if (path == "/") return {};
    out.push_back(path.substr(1));
  }
  return out;
}

llb::SourceLocation Conversion::LocationOf(const Ranges& ranges) const {
  llb::SourceLocation location;
  location.map = input.source;
  for (const Range& range : ranges) location.ranges.push_back(RangeToPb(range));
  return location;
}

absl::StatusOr<Converted> Convert(const ConvertInput& input) {
  const std::string& text = input.source->data;
  if (text.empty()) return InvalidArgument("the Dockerfile cannot be empty");
  BK_TRY(Linter lint, MakeLinter(input));
  BK_TRY(Dockerfile file, ParseDockerfile(text));
  CheckContinuations(file, lint);
  BK_TRY(Program program, ParseProgram(file, lint));
  if (program.stages.empty()) return InvalidArgument("dockerfile contains no stages to build");

  CheckProgram(program, lint);

  const BuildOptions& options = input.context->options();
  Conversion c{.input = input, .options = options, .graph = {}, .lex = Lex(file.escape)};
  c.build_platform = options.build_platform;
  c.implicit_target = !input.target_platform.has_value();
  c.target_platform = input.target_platform.value_or(options.build_platform);
  c.build_args = options.build_args;
  SetPlatformArgs(c, options.target.empty() ? program.stages.back().head().name : options.target);
  c.lint = std::move(lint);
  CheckDefaultImages(c, c.global_args, program);
  BK_TRY(GlobalArgs globals, ExpandGlobalArgs(c.global_args, c.lex, program.meta_args, c.build_args));
  c.global_args = std::move(globals.env);
  c.global_arg_infos = std::move(globals.infos);
  BK_RETURN_IF_ERROR(SetEpoch(c, program.stages));
  c.proxy = ProxyOf(c.build_args);
  c.context_promise = c.graph.Promise();

  BK_TRY(StageState* target, PlanStages(c, std::move(program)));
  BK_TRY(auto reachable, ResolveStages(c, target));
  BK_RETURN_IF_ERROR(DispatchStages(c, reachable));
  return Finish(c, target, reachable);
}

}  // namespace bk::dockerfile
