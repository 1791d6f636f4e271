#include "daemon/frontend/dockerfile/convert/checks.h"

#include <algorithm>

#include "base/path.h"
#include "base/reference.h"
#include "base/suggest.h"
#include "base/unicode.h"
#include "daemon/frontend/dockerfile/convert/global_args.h"

namespace bk::dockerfile {
namespace {

using enum LintRule;

std::string DidYouMean(std::string_view before, std::string_view name, const std::vector<std::string>& known) {
  std::string nearest = Suggest(name, known, true);
  return nearest.empty() ? "" : StrCat(" (did you mean ", before, nearest, "?)");
}

// A word of `name`, cut at '_', that is one of `words`.
bool HasWord(std::string_view name, std::span<const std::string_view> words) {
  while (true) {
    std::string_view word = name.substr(0, name.find('_'));
    if (std::any_of(words.begin(), words.end(), [&](std::string_view w) { return EqualFold(word, w); })) return true;
    if (word.size() == name.size()) return false;
    name.remove_prefix(word.size() + 1);
  }
}

// "." and "/" stand for the whole context, which only such patterns keep back.
bool IgnoresAll(PatternMatcher& matcher) {
  auto patterns = matcher.patterns();
  return std::any_of(patterns.begin(), patterns.end(), [](const IgnorePattern& p) { return p.text() == "*" || p.text() == "**" || p.text() == "**/*"; });
}

}  // namespace

void CheckDefaultImages(const Conversion& conversion, const llb::EnvList& env, const Program& program) {
  if (!conversion.lint.hears(kInvalidDefaultArgInFrom)) return;
  auto args = ExpandGlobalArgs(env, conversion.lex, program.meta_args, {});
  if (!args.ok()) return;  // reported by who needs them
  for (const Stage& stage : program.stages) {
    auto name = conversion.lex.Word(stage.head().base, EnvVariables(args->env));
    if (!name.ok()) return;
    if (!ImageReference::Parse(*name).ok()) conversion.lint.Report(kInvalidDefaultArgInFrom, stage.from.location, {stage.head().base});
  }
}

void CheckFromArgs(const Conversion& conversion, const Linter& lint, const std::set<std::string>& unmatched, const Ranges& location) {
  if (unmatched.empty() || !lint.hears(kUndefinedArgInFrom)) return;
  std::vector<std::string> known = conversion.global_args.Keys();
  for (const auto& [name, ignored] : conversion.global_arg_infos) known.push_back(name);
  for (const std::string& name : unmatched) {
    if (conversion.global_arg_infos.contains(name)) continue;
    lint.Report(kUndefinedArgInFrom, location, {name, DidYouMean("", name, known)});
  }
}

void CheckStagePlatform(const Conversion& conversion, const Linter& lint, const Instruction& from, const Expansion& expansion) {
  CheckFromArgs(conversion, lint, expansion.unmatched, from.location);
  constexpr char kTarget[] = "TARGETPLATFORM";
  const FromInstruction& head = *from.As<FromInstruction>();
  if (!expansion.unmatched.empty()) return;
  if (!expansion.matched.empty()) {
    bool only_target = expansion.matched.size() == 1 && expansion.matched.contains(kTarget);
    if (only_target && expansion.word == conversion.global_args.Get(kTarget)) lint.Report(kRedundantTargetPlatform, from.location, {head.platform});
    return;
  }
  auto platform = ParsePlatform(expansion.word);
  if (!platform.ok()) return;
  // A stage named for the platform means it.
  auto named = [&](const std::string& what) { return head.name.find(what) != std::string::npos; };
  if (!named(platform->os) && !named(platform->architecture)) lint.Report(kFromPlatformFlagConstDisallowed, from.location, {expansion.word});
}

void CheckImagePlatform(const Conversion& conversion, const StageState& stage, const std::string& written, const Platform& wanted) {
  const Platform& actual = stage.image.platform;
  if (actual.os == wanted.os && actual.architecture == wanted.architecture) return;
  auto text = [](const Platform& p) { return FormatPlatformAll(NormalizePlatform(p)); };
  conversion.lint.Report(kInvalidBaseImagePlatform, stage.location, {written, text(wanted), text(actual)});
}

void CheckVariables(const StageState& stage, const Ranges& location, const std::set<std::string>& unmatched) {
  if (unmatched.empty() || !stage.lint.hears(kUndefinedVar)) return;
  std::vector<std::string> known;
  for (const std::string& name : unmatched) {
    bool declared = std::any_of(stage.build_args.begin(), stage.build_args.end(), [&](const BuildArgument& a) { return a.key == name; });
    if (declared || IsScannerArgument(name)) continue;
    if (known.empty()) known = stage.state->env().Keys();
    stage.lint.Report(kUndefinedVar, location, {name, DidYouMean("$", name, known)});
  }
}

void CheckSecretName(const StageState& stage, const Ranges& location, std::string_view keyword, std::string_view name) {
  static constexpr std::string_view kSecret[] = {"apikey", "auth", "credential", "credentials", "key", "password", "pword", "passwd", "secret", "token"};
  static constexpr std::string_view kHarmless[] = {"public", "file", "version"};
  if (HasWord(name, kSecret) && !HasWord(name, kHarmless)) stage.lint.Report(kSecretsUsedInArgOrEnv, location, {keyword, name});
}

void CheckUsedOnce(const StageState& stage, const Instruction& instruction, std::optional<Ranges>& last) {
  if (last) stage.lint.Report(kMultipleInstructionsDisallowed, *last, {instruction.keyword});
  last = instruction.location;
}

void CheckIgnored(Conversion& conversion, const StageState& stage, const Command& command, const std::string& source) {
  // What a negation brings back cannot be told from the patterns alone.
  if (!conversion.ignored || conversion.ignored->has_exclusions() || !stage.lint.hears(kCopyIgnoredFile)) return;
  std::string path = CleanPath(source);
  if ((path == "." || path == "/") && !IgnoresAll(*conversion.ignored)) return;
  auto matches = conversion.ignored->MatchesOrParentMatches(path);
  if (!matches.ok() || !*matches) return;
  bool is_add = command.instruction.As<CopyInstruction>()->is_add;
  stage.lint.Report(kCopyIgnoredFile, command.instruction.location, {is_add ? "Add" : "Copy", path});
}

}  // namespace bk::dockerfile
