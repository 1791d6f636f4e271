#include "daemon/frontend/dockerfile/convert/global_args.h"

#include "daemon/frontend/dockerfile/convert/conversion.h"

namespace bk::dockerfile {

absl::StatusOr<GlobalArgs> ExpandGlobalArgs(llb::EnvList env, const Lex& lex, const std::vector<Instruction>& instructions,
                                            const std::map<std::string, std::string>& given) {
  GlobalArgs out{std::move(env), {}};
  for (const Instruction& instruction : instructions) {
    for (BuildArgument argument : instruction.As<ArgInstruction>()->args) {
      ArgumentInfo info{argument, "", instruction.location, {}};
      if (auto found = given.find(argument.key); found != given.end()) {
        argument.value = found->second;
      } else if (argument.value) {
        Expansion expansion;
        absl::Status status = lex.Process(*argument.value, EnvVariables(out.env), expansion);
        if (!status.ok()) return AddLocation(status, instruction.location);
        argument.value = std::move(expansion.word);
        info.uses = std::move(expansion.matched);
        // One that is made of its older value uses what that one used.
        if (info.uses.erase(argument.key) > 0) {
          if (auto old = out.infos.find(argument.key); old != out.infos.end()) info.uses.insert(old->second.uses.begin(), old->second.uses.end());
        }
      }
      if (argument.value) {
        info.value = *argument.value;
        out.env.Set(argument.key, *argument.value);
      }
      out.infos.insert_or_assign(argument.key, std::move(info));
    }
  }
  return out;
}

}  // namespace bk::dockerfile
