// Every check there is, with its texts: one row a rule.
//
// Names, texts and links: reference, frontend/dockerfile/linter. Data only, thread-safe.
#pragma once

#include <initializer_list>
#include <span>
#include <string>
#include <string_view>

namespace bk::dockerfile {

enum class LintRule {
  kStageNameCasing,
  kFromAsCasing,
  kNoEmptyContinuation,
  kConsistentInstructionCasing,
  kDuplicateStageName,
  kReservedStageName,
  kJsonArgsRecommended,
  kMaintainerDeprecated,
  kUndefinedArgInFrom,
  kWorkdirRelativePath,
  kUndefinedVar,
  kMultipleInstructionsDisallowed,
  kLegacyKeyValueFormat,
  kInvalidBaseImagePlatform,
  kRedundantTargetPlatform,
  kSecretsUsedInArgOrEnv,
  kInvalidDefaultArgInFrom,
  kFromPlatformFlagConstDisallowed,
  kCopyIgnoredFile,
  kInvalidDefinitionDescription,
  kExposeProtoCasing,
  kExposeInvalidFormat,
};

struct LintRow {
  LintRule rule;
  std::string_view name, description;
  std::string_view page;     // of its documentation; "" if it has none
  std::string_view message;  // {0}, {1} … are a finding's words, {0q} such a word quoted
  bool experimental = false;

  std::string url() const;
  std::string MessageOf(std::initializer_list<std::string_view> words) const;
};

// In the order of LintRule.
std::span<const LintRow> LintRows();
const LintRow& RowOf(LintRule rule);

}  // namespace bk::dockerfile
