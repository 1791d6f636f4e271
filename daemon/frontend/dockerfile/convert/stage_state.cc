#include "daemon/frontend/dockerfile/convert/stage_state.h"

#include <algorithm>

#include "base/go_parse.h"
#include "base/unicode.h"

namespace bk::dockerfile {

void StageState::Inherit() {
  if (base == nullptr) return;
  state = base->state;
  platform = base->platform;
  image = base->image;
  image.onbuild.clear();  // fired already
  base_image = base->base_image;
  used_paths = base->used_paths;
  workdir_set = base->workdir_set;
  build_args.insert(build_args.end(), base->build_args.begin(), base->build_args.end());
}

StageState* StageTable::Add(std::unique_ptr<StageState> stage) {
  StageState* added = stage.get();
  stages_.push_back(std::move(stage));
  if (auto base = by_name_.find(added->base_name); base != by_name_.end()) added->base = base->second;
  if (!added->name.empty()) by_name_[ToLower(added->name)] = added;
  return added;
}

StageState* StageTable::Find(std::string_view name) const {
  auto found = by_name_.find(ToLower(name));
  return found == by_name_.end() ? nullptr : found->second;
}

absl::StatusOr<StageState*> StageTable::At(int64_t index) const {
  if (index < 0 || index >= static_cast<int64_t>(stages_.size())) return InvalidArgument("invalid stage index ", index);
  return stages_[static_cast<size_t>(index)].get();
}

std::vector<std::string> StageTable::ShownNames() const {
  std::vector<std::string> names;
  for (const auto& stage : stages_) {
    if (!stage->shown_name.empty()) names.push_back(stage->shown_name);
  }
  return names;
}

namespace {

// The stage of that name, or a new hidden one that stands for an image.
StageState* FindOrHide(const std::string& name, const Ranges& location, StageTable& table) {
  if (StageState* found = table.Find(name)) return found;
  auto hidden = std::make_unique<StageState>();
  hidden->base_name = name;
  hidden->location = location;
  hidden->hidden = true;
  return table.Add(std::move(hidden));
}

void Depend(StageState& stage, const Command& command) {
  for (StageState* source : command.sources) stage.dependencies.emplace_back(source, command.instruction.location);
}

// Error for the first cycle of stages that depend on each other.
absl::Status CheckCycles(const StageTable& table) {
  struct Frame {
    StageState* stage;
    size_t next = 0;
  };
  std::set<StageState*> visited, path;
  for (const auto& root : table.all()) {
    std::vector<Frame> stack;
    std::vector<const Ranges*> places;  // that led to each frame but the first
    auto enter = [&](StageState* stage) {
      if (!visited.insert(stage).second) return false;
      path.insert(stage);
      stack.push_back({stage});
      return true;
    };
    enter(root.get());
    while (!stack.empty()) {
      Frame& frame = stack.back();
      if (frame.next == frame.stage->dependencies.size()) {
        path.erase(frame.stage);
        stack.pop_back();
        if (!places.empty()) places.pop_back();
        continue;
      }
      const auto& [dependency, place] = frame.stage->dependencies[frame.next++];
      if (path.contains(dependency)) {
        absl::Status status = InvalidArgument("circular dependency detected on stage: ", root->shown_name);
        for (const Ranges* earlier : places) status = AddLocation(std::move(status), *earlier);
        return AddLocation(std::move(status), place);
      }
      if (enter(dependency)) places.push_back(&place);
    }
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<Command> LinkCommand(Instruction instruction, StageTable& table, const Lex& lex) {
  Command command;
  if (const auto* copy = instruction.As<CopyInstruction>(); copy != nullptr && !copy->from.empty()) {
    BK_TRY(std::string expanded, lex.Word(copy->from, NoVariables()));
    if (expanded != copy->from) {
      return InvalidArgument("variable expansion is not supported for --from, define a new stage with FROM using ARG from global scope as a workaround");
    }
    StageState* source = nullptr;
    if (auto index = ParseInt(copy->from); index.ok()) {
      BK_TRY(source, table.At(*index));
    } else {
      source = FindOrHide(copy->from, instruction.location, table);
    }
    command.sources = {source};
  } else if (const auto* run = instruction.As<RunInstruction>()) {
    for (const RunMount& mount : run->mounts) {
      command.sources.push_back(FindOrHide(mount.from.empty() ? "scratch" : mount.from, {}, table));
    }
  }
  command.instruction = std::move(instruction);
  return command;
}

absl::Status LinkStages(std::vector<std::vector<Instruction>> programs, StageTable& table, const Lex& lex) {
  for (size_t i = 0; i < programs.size(); i++) {
    StageState& stage = *table.all()[i];
    stage.commands.reserve(programs[i].size());
    for (Instruction& instruction : programs[i]) {
      BK_TRY(Command command, LinkCommand(std::move(instruction), table, lex));
      Depend(stage, command);
      stage.commands.push_back(std::move(command));
    }
  }
  BK_RETURN_IF_ERROR(CheckCycles(table));
  if (table.all().size() == 1) table.last()->shown_name.clear();
  return absl::OkStatus();
}

std::set<StageState*> ReachableStages(StageState* target) {
  std::set<StageState*> reachable;
  std::vector<StageState*> todo = {target};
  while (!todo.empty()) {
    StageState* stage = todo.back();
    todo.pop_back();
    if (!reachable.insert(stage).second) continue;
    if (stage->base != nullptr) todo.push_back(stage->base);
    for (const auto& [dependency, ignored] : stage->dependencies) todo.push_back(dependency);
  }
  return reachable;
}

absl::StatusOr<bool> AddTriggers(StageState& stage, const std::vector<std::string>& triggers, StageTable& table, const Lex& lex) {
  bool needs_stages = false;
  std::vector<Command> commands;
  for (const std::string& trigger : triggers) {
    BK_TRY(Dockerfile file, ParseDockerfile(trigger));
    if (file.nodes.size() != 1) return InvalidArgument("onbuild trigger should be a single expression");
    Node& node = file.nodes[0];
    node.start_line = node.end_line = 0;
    for (const Range& range : stage.location) {
      node.start_line = node.start_line == 0 ? range.start.line : std::min(node.start_line, range.start.line);
      node.end_line = std::max(node.end_line, range.end.line);
    }
    BK_TRY(Instruction instruction, ParseInstruction(node));
    if (instruction.As<FromInstruction>() != nullptr) return InvalidArgument("FROM isn't allowed as an ONBUILD trigger");
    BK_TRY(Command command, LinkCommand(std::move(instruction), table, lex));
    command.is_onbuild = true;
    needs_stages = needs_stages || !command.sources.empty();
    Depend(stage, command);
    commands.push_back(std::move(command));
  }
  stage.command_total += static_cast<int>(commands.size());
  stage.commands.insert(stage.commands.begin(), std::make_move_iterator(commands.begin()), std::make_move_iterator(commands.end()));
  return needs_stages;
}

}  // namespace bk::dockerfile
