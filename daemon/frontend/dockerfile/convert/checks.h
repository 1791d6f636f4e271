// What only the conversion can see: variables against the environment, platforms of images, files against .dockerignore.
#pragma once

#include <set>
#include <string>

#include "daemon/frontend/dockerfile/convert/conversion.h"

namespace bk::dockerfile {

// Of all FROM lines: names that are no image's when only defaults count. `env`: what is set before the first ARG.
void CheckDefaultImages(const Conversion& conversion, const llb::EnvList& env, const Program& program);
// Arguments of one FROM line that nobody declared.
void CheckFromArgs(const Conversion& conversion, const Linter& lint, const std::set<std::string>& unmatched, const Ranges& location);
// `--platform` of a FROM line, expanded as `expansion`.
void CheckStagePlatform(const Conversion& conversion, const Linter& lint, const Instruction& from, const Expansion& expansion);
// An image against the platform it was asked for.
void CheckImagePlatform(const Conversion& conversion, const StageState& stage, const std::string& written, const Platform& wanted);

// The command at work: names in its words that are not set.
void CheckVariables(const StageState& stage, const Ranges& location, const std::set<std::string>& unmatched);
// `keyword` is ARG or ENV.
void CheckSecretName(const StageState& stage, const Ranges& location, std::string_view keyword, std::string_view name);
// CMD, ENTRYPOINT or HEALTHCHECK for the second time: the place is the earlier one's, which `last` holds.
void CheckUsedOnce(const StageState& stage, const Instruction& instruction, std::optional<Ranges>& last);
// A file of the build context that is not sent.
void CheckIgnored(Conversion& conversion, const StageState& stage, const Command& command, const std::string& source);

}  // namespace bk::dockerfile
