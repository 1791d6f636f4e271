#include "daemon/frontend/dockerfile/convert/outline.h"

#include <algorithm>

#include "daemon/frontend/dockerfile/convert/stage_state.h"

namespace bk::dockerfile {
namespace {

int LineOf(const Ranges& location) { return location.empty() ? 0 : location[0].start.line; }

template <typename T>
void SortByLine(std::vector<T>& items) {
  std::stable_sort(items.begin(), items.end(), [](const T& a, const T& b) { return LineOf(a.location) < LineOf(b.location); });
}

class Collector {
 public:
  explicit Collector(const ArgumentInfos& globals) : globals_(globals) {}

  void Add(const StageState& stage) {
    for (const std::string& name : UsedArgs(stage)) {
      const ArgumentInfo* info = Find(stage, name);
      if (info == nullptr || !seen_args_.insert(name).second) continue;
      out_.args.push_back({info->definition.key, info->definition.doc, info->value, info->location});
    }
    AddMounts(stage.outline.secrets, seen_secrets_, out_.secrets);
    AddMounts(stage.outline.ssh, seen_ssh_, out_.ssh);
  }

  Outline Take() {
    SortByLine(out_.args);
    SortByLine(out_.secrets);
    SortByLine(out_.ssh);
    return std::move(out_);
  }

 private:
  const ArgumentInfo* Find(const StageState& stage, const std::string& name) const {
    if (auto own = stage.outline.args.find(name); own != stage.outline.args.end()) return &own->second;
    auto global = globals_.find(name);
    return global == globals_.end() || stage.hidden ? nullptr : &global->second;
  }

  // Named by the stage's instructions or by a FROM of the stages below it, and what the defaults of those are made of.
  std::set<std::string> UsedArgs(const StageState& stage) const {
    std::set<std::string> used = stage.outline.used;
    for (const StageState* s = &stage; s != nullptr; s = s->base) used.insert(s->outline.used_in_from.begin(), s->outline.used_in_from.end());
    std::vector<std::string> todo(used.begin(), used.end());
    while (!todo.empty()) {
      std::string name = std::move(todo.back());
      todo.pop_back();
      const ArgumentInfo* info = Find(stage, name);
      if (info == nullptr) continue;
      for (const std::string& more : info->uses) {
        if (used.insert(more).second) todo.push_back(more);
      }
    }
    return used;
  }

  static void AddMounts(const std::map<std::string, Outline::Mount>& mounts, std::set<std::string>& seen, std::vector<Outline::Mount>& out) {
    for (const auto& [name, mount] : mounts) {
      if (seen.insert(name).second) out.push_back(mount);
    }
  }

  const ArgumentInfos& globals_;
  std::set<std::string> seen_args_, seen_secrets_, seen_ssh_;
  Outline out_;
};

}  // namespace

absl::StatusOr<Outline> DescribeStage(const CancelToken& cancel, const StageState& target, const ArgumentInfos& globals) {
  Collector collector(globals);
  std::set<const StageState*> seen;
  std::vector<const StageState*> todo = {&target};
  while (!todo.empty()) {  // the stage, then what it is built on, then what it reads
    BK_RETURN_IF_ERROR(cancel.Check());
    const StageState* stage = todo.back();
    todo.pop_back();
    if (!seen.insert(stage).second) continue;
    collector.Add(*stage);
    for (auto it = stage->dependencies.rbegin(); it != stage->dependencies.rend(); ++it) todo.push_back(it->first);
    if (stage->base != nullptr) todo.push_back(stage->base);
  }
  Outline outline = collector.Take();
  outline.name = target.name;
  outline.description = target.description;
  return outline;
}

}  // namespace bk::dockerfile
