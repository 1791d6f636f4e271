// ARG before the first FROM.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "daemon/frontend/dockerfile/convert/outline.h"
#include "daemon/frontend/dockerfile/shell/lex.h"
#include "proto/llb/env_list.h"

namespace bk::dockerfile {

struct GlobalArgs {
  llb::EnvList env;
  ArgumentInfos infos;  // of every one that is declared
};

// `env` with the arguments of `instructions`, which `given` overrides. Errors carry the place.
absl::StatusOr<GlobalArgs> ExpandGlobalArgs(llb::EnvList env, const Lex& lex, const std::vector<Instruction>& instructions,
                                            const std::map<std::string, std::string>& given);

}  // namespace bk::dockerfile
