#include "daemon/frontend/dockerfile/instruct/checks.h"

#include <algorithm>
#include <set>

#include "base/unicode.h"

namespace bk::dockerfile {
namespace {

using enum LintRule;

bool IsLower(std::string_view word) { return ToLower(word) == word; }
bool IsUpper(std::string_view word) { return ToUpper(word) == word; }

void CheckStageNames(const Program& program, const Linter& lint) {
  std::set<std::string_view> names;
  for (const Stage& stage : program.stages) {
    const std::string& name = stage.head().name;
    if (name.empty()) continue;
    if (name == "context" || name == "scratch") lint.Report(kReservedStageName, stage.from.location, {name});
    if (!names.insert(name).second) lint.Report(kDuplicateStageName, stage.from.location, {name});
  }
}

// Most instructions say which case is right; a tie means capitals.
void CheckCasing(const Program& program, const Linter& lint) {
  int balance = 0;
  auto each = [&](auto&& use) {
    for (const Stage& stage : program.stages) {
      use(stage.from);
      for (const Instruction& instruction : stage.commands) use(instruction);
    }
  };
  each([&](const Instruction& i) {
    if (IsLower(i.keyword)) {
      balance++;
    } else if (IsUpper(i.keyword)) {
      balance--;
    }
  });
  bool lower = balance > 0;
  each([&](const Instruction& i) {
    bool right = lower ? IsLower(i.keyword) : IsUpper(i.keyword);
    if (!right) lint.Report(kConsistentInstructionCasing, i.location, {i.keyword, lower ? "lowercase" : "uppercase"});
  });
}

}  // namespace

void CheckContinuations(const Dockerfile& file, const Linter& lint) {
  for (const ParseWarning& warning : file.warnings) lint.Report(kNoEmptyContinuation, {warning.location});
}

void CheckWords(const Node& node, const Linter& lint) {
  std::string keyword = ToLower(node.keyword);
  if (keyword == "maintainer") lint.Report(kMaintainerDeprecated, node.location());
  if (keyword != "from" || node.args.size() < 3) return;
  if (node.args.size() == 3 && !IsLower(node.args[2])) lint.Report(kStageNameCasing, node.location(), {node.args[2]});
  // A FROM that is itself mixed says nothing of its AS.
  const std::string& as = node.args[1];
  bool right = IsLower(node.keyword) ? IsLower(as) : !IsUpper(node.keyword) || IsUpper(as);
  if (!right) lint.Report(kFromAsCasing, node.location(), {node.keyword, as});
}

void CheckDescription(const Node& node, const InstructionBody& body, const Linter& lint) {
  if (node.comments.empty() || !lint.hears(kInvalidDefinitionDescription)) return;
  std::vector<std::string> names;
  const auto* arg = std::get_if<ArgInstruction>(&body);
  if (arg != nullptr) {
    for (const BuildArgument& argument : arg->args) names.push_back(argument.key);
  } else if (const auto* from = std::get_if<FromInstruction>(&body); from != nullptr && !from->name.empty()) {
    names.push_back(from->name);
  }
  if (names.empty()) return;
  const std::string& comment = node.comments.back();
  if (std::find(names.begin(), names.end(), comment.substr(0, comment.find(' '))) != names.end()) return;
  lint.Report(kInvalidDefinitionDescription, node.location(), {arg != nullptr ? "ARG" : "FROM", names.size() > 1 ? "<arg_key>" : names[0]});
}

void CheckProgram(const Program& program, const Linter& lint) {
  CheckStageNames(program, lint);
  CheckCasing(program, lint);
}

}  // namespace bk::dockerfile
