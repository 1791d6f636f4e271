// One stage on its way from instructions to a tree and an image configuration, and the table of all stages.
//
// Hidden stages stand for images that COPY --from and mounts name. Not thread-safe.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "daemon/frontend/dockerfile/convert/image_config.h"
#include "daemon/frontend/dockerfile/convert/named_context.h"
#include "daemon/frontend/dockerfile/convert/outline.h"
#include "daemon/frontend/dockerfile/instruct/instruction.h"
#include "daemon/frontend/dockerfile/shell/lex.h"
#include "proto/llb/state.h"

namespace bk::dockerfile {

struct StageState;

struct Command {
  Instruction instruction;
  std::vector<StageState*> sources;  // COPY --from: one; RUN: one a mount
  bool is_onbuild = false;
};

struct StageState {
  std::string base_name;    // expanded, later the resolved image
  std::string name;         // of FROM … AS, lower case
  std::string shown_name;   // in progress: the name or stage-N
  std::string source_code;  // of the FROM line
  std::string description;  // from the comment above it
  Ranges location;
  StageState* base = nullptr;  // built on this stage
  std::vector<Command> commands;
  std::vector<std::pair<StageState*, Ranges>> dependencies;  // and the place that names them
  std::optional<Platform> platform;
  std::optional<llb::State> state;
  ImageConfig image;
  std::optional<ImageConfig> base_image;
  std::vector<BuildArgument> build_args;
  std::set<std::string> context_paths;  // read from the build context
  std::optional<NamedContext> replaced_by;  // the caller's tree in place of this stage
  // Read from this stage's own tree; shared with the stage it is built on.
  std::shared_ptr<std::set<std::string>> used_paths = std::make_shared<std::set<std::string>>();
  bool hidden = false;
  bool dispatched = false, resolved = false, onbuild_taken = false, ignore_cache = false;
  bool workdir_set = false;  // by the file, not just by the base image
  std::optional<Ranges> cmd_location, entrypoint_location, health_check_location;  // of the last one
  int command_index = 0, command_total = 0;
  bool command_is_onbuild = false;
  Linter lint;  // for the command at work
  StageOutline outline;

  // Takes over what the base has become.
  void Inherit();
  bool is_scratch() const { return base_name == "scratch" && !replaced_by; }
};

class StageTable {
 public:
  StageState* Add(std::unique_ptr<StageState> stage);
  // Not case-sensitive; null if there is none.
  StageState* Find(std::string_view name) const;
  absl::StatusOr<StageState*> At(int64_t index) const;
  const std::vector<std::unique_ptr<StageState>>& all() const { return stages_; }
  StageState* last() const { return stages_.back().get(); }
  std::vector<std::string> ShownNames() const;

 private:
  std::vector<std::unique_ptr<StageState>> stages_;
  std::map<std::string, StageState*, std::less<>> by_name_;
};

// A command with the stages it reads; unknown names become hidden stages of the table.
absl::StatusOr<Command> LinkCommand(Instruction instruction, StageTable& table, const Lex& lex);
// Every stage's commands, linked. FailedPrecondition-like texts for cycles of stages.
absl::Status LinkStages(std::vector<std::vector<Instruction>> programs, StageTable& table, const Lex& lex);
// What `target` needs, itself included.
std::set<StageState*> ReachableStages(StageState* target);
// Puts the triggers of the base before the stage's own commands. True if they need other stages.
absl::StatusOr<bool> AddTriggers(StageState& stage, const std::vector<std::string>& triggers, StageTable& table, const Lex& lex);

}  // namespace bk::dockerfile
