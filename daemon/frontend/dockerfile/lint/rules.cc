#include "daemon/frontend/dockerfile/lint/rules.h"

#include "base/status.h"

namespace bk::dockerfile {
namespace {

using enum LintRule;

constexpr LintRow kRows[] = {
    {kStageNameCasing, "StageNameCasing", "Stage names should be lowercase", "stage-name-casing", "Stage name '{0}' should be lowercase"},
    {kFromAsCasing, "FromAsCasing", "The 'as' keyword should match the case of the 'from' keyword", "from-as-casing",
     "'{1}' and '{0}' keywords' casing do not match"},
    {kNoEmptyContinuation, "NoEmptyContinuation", "Empty continuation lines will become errors in a future release", "no-empty-continuation",
     "Empty continuation line"},
    {kConsistentInstructionCasing, "ConsistentInstructionCasing",
     "All commands within the Dockerfile should use the same casing (either upper or lower)", "consistent-instruction-casing",
     "Command '{0}' should match the case of the command majority ({1})"},
    {kDuplicateStageName, "DuplicateStageName", "Stage names should be unique", "duplicate-stage-name",
     "Duplicate stage name {0q}, stage names should be unique"},
    {kReservedStageName, "ReservedStageName", "Reserved words should not be used as stage names", "reserved-stage-name",
     "Stage name should not use the same name as reserved stage {0q}"},
    {kJsonArgsRecommended, "JSONArgsRecommended",
     "JSON arguments recommended for ENTRYPOINT/CMD to prevent unintended behavior related to OS signals", "json-args-recommended",
     "JSON arguments recommended for {0} to prevent unintended behavior related to OS signals"},
    {kMaintainerDeprecated, "MaintainerDeprecated", "The MAINTAINER instruction is deprecated, use a label instead to define an image author",
     "maintainer-deprecated", "Maintainer instruction is deprecated in favor of using label"},
    {kUndefinedArgInFrom, "UndefinedArgInFrom", "FROM command must use declared ARGs", "undefined-arg-in-from",
     "FROM argument '{0}' is not declared{1}"},
    {kWorkdirRelativePath, "WorkdirRelativePath",
     "Relative workdir without an absolute workdir declared within the build can have unexpected results if the base image changes",
     "workdir-relative-path", "Relative workdir {0q} can have unexpected results if the base image changes"},
    {kUndefinedVar, "UndefinedVar", "Variables should be defined before their use", "undefined-var", "Usage of undefined variable '${0}'{1}"},
    {kMultipleInstructionsDisallowed, "MultipleInstructionsDisallowed",
     "Multiple instructions of the same type should not be used in the same stage", "multiple-instructions-disallowed",
     "Multiple {0} instructions should not be used in the same stage because only the last one will be used"},
    {kLegacyKeyValueFormat, "LegacyKeyValueFormat", "Legacy key/value format with whitespace separator should not be used",
     "legacy-key-value-format", "\"{0} key=value\" should be used instead of legacy \"{0} key value\" format"},
    {kInvalidBaseImagePlatform, "InvalidBaseImagePlatform", "Base image platform does not match expected target platform", "",
     "Base image {0} was pulled with platform {2q}, expected {1q} for current build"},
    {kRedundantTargetPlatform, "RedundantTargetPlatform",
     "Setting platform to predefined $TARGETPLATFORM in FROM is redundant as this is the default behavior", "redundant-target-platform",
     "Setting platform to predefined {0} in FROM is redundant as this is the default behavior"},
    {kSecretsUsedInArgOrEnv, "SecretsUsedInArgOrEnv", "Sensitive data should not be used in the ARG or ENV commands",
     "secrets-used-in-arg-or-env", "Do not use ARG or ENV instructions for sensitive data ({0} {1q})"},
    {kInvalidDefaultArgInFrom, "InvalidDefaultArgInFrom", "Default value for global ARG results in an empty or invalid base image name",
     "invalid-default-arg-in-from", "Default value for ARG {0} results in empty or invalid base image name"},
    {kFromPlatformFlagConstDisallowed, "FromPlatformFlagConstDisallowed", "FROM --platform flag should not use a constant value",
     "from-platform-flag-const-disallowed", "FROM --platform flag should not use constant value {0q}"},
    {kCopyIgnoredFile, "CopyIgnoredFile", "Attempting to Copy file that is excluded by .dockerignore", "copy-ignored-file",
     "Attempting to {0} file {1q} that is excluded by .dockerignore"},
    {kInvalidDefinitionDescription, "InvalidDefinitionDescription",
     "Comment for build stage or argument should follow the format: `# <arg/stage name> <description>`. If this is not intended to be a "
     "description comment, add an empty line or comment between the instruction and the comment.",
     "invalid-definition-description", "Comment for {0} should follow the format: `# {1} <description>`", true},
    {kExposeProtoCasing, "ExposeProtoCasing", "Protocol in EXPOSE instruction should be lowercase", "expose-proto-casing",
     "Defined protocol '{0}' in EXPOSE instruction should be lowercase"},
    {kExposeInvalidFormat, "ExposeInvalidFormat",
     "IP address and host-port mapping should not be used in EXPOSE instruction. This will become an error in a future release",
     "expose-invalid-format", "EXPOSE instruction should not define an IP address or host-port mapping, found '{0}'"},
};

constexpr bool InOrder() {
  for (size_t i = 0; i < std::size(kRows); i++) {
    if (static_cast<size_t>(kRows[i].rule) != i) return false;
  }
  return true;
}
static_assert(InOrder() && std::size(kRows) == static_cast<size_t>(kExposeInvalidFormat) + 1, "one row a rule, in the order of LintRule");

}  // namespace

std::string LintRow::url() const { return page.empty() ? "" : StrCat("https://docs.docker.com/go/dockerfile/rule/", page, "/"); }

std::string LintRow::MessageOf(std::initializer_list<std::string_view> words) const {
  std::string out;
  for (size_t at = 0; at < message.size(); at++) {
    bool is_word = message[at] == '{' && at + 1 < message.size() && message[at + 1] >= '0' && message[at + 1] <= '9';
    if (!is_word) {
      out += message[at];
      continue;
    }
    auto index = static_cast<size_t>(message[at + 1] - '0');
    std::string_view word = index < words.size() ? words.begin()[index] : std::string_view();
    bool quoted = message.substr(at + 2).starts_with('q');
    quoted ? out += Quote(word) : out += word;
    at += quoted ? 3 : 2;
  }
  return out;
}

std::span<const LintRow> LintRows() { return kRows; }
const LintRow& RowOf(LintRule rule) { return kRows[static_cast<size_t>(rule)]; }

}  // namespace bk::dockerfile
