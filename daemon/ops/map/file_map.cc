// The cache map of a file op: its actions without the directories of what they copy, and the selected paths of its inputs.
#include <algorithm>
#include <array>
#include <functional>
#include <map>
#include <set>

#include "base/go_json.h"
#include "base/path.h"
#include "daemon/ops/map/map_plan.h"
#include "daemon/ops/map/op_json.h"

namespace bk::ops {
namespace {

using Selectors = std::map<int64_t, std::vector<Selector>>;
using Indexes = std::vector<std::array<int64_t, 3>>;

bool HasWildcards(std::string_view name) {
  for (size_t i = 0; i < name.size(); i++) {
    if (name[i] == '\\') {
      i++;
    } else if (name[i] == '*' || name[i] == '?' || name[i] == '[') {
      return true;
    }
  }
  return false;
}

// Names of owners are looked up in files of their input. A negative input ends it, as in the reference: no error here.
void SelectOwner(const pb::ChownOpt& owner, Selectors& selectors) {
  auto select = [&](const pb::UserOpt& user, const char* file) {
    if (!user.has_byname()) return true;
    if (user.byname().input() < 0) return false;
    Selector selector;
    selector.path = file;
    selector.follow_links = true;
    selectors[user.byname().input()].push_back(std::move(selector));
    return true;
  };
  if (select(owner.user(), "/etc/passwd")) select(owner.group(), "/etc/group");
}

// Moves the path of the source into the selector of its input.
std::string CopyText(const pb::FileAction& action, int inputs, Selectors& selectors) {
  pb::FileActionCopy copy = action.copy();
  SelectOwner(copy.owner(), selectors);
  if (action.secondaryinput() != -1 && action.secondaryinput() < inputs) {
    Selector selector;
    selector.path = copy.src();
    selector.follow_links = copy.followsymlink();
    selector.wildcard = copy.allowwildcard() && HasWildcards(copy.src());
    selector.include_patterns.assign(copy.include_patterns().begin(), copy.include_patterns().end());
    selector.exclude_patterns.assign(copy.exclude_patterns().begin(), copy.exclude_patterns().end());
    selector.required_paths.assign(copy.required_paths().begin(), copy.required_paths().end());
    selectors[action.secondaryinput()].push_back(std::move(selector));
    copy.set_src(BaseName(copy.src()));
  }
  return OpJson(copy);
}

std::string ActionText(const pb::FileAction& action, int inputs, Selectors& selectors) {
  switch (action.action_case()) {
    case pb::FileAction::kMkdir: SelectOwner(action.mkdir().owner(), selectors); return OpJson(action.mkdir());
    case pb::FileAction::kMkfile: SelectOwner(action.mkfile().owner(), selectors); return OpJson(action.mkfile());
    case pb::FileAction::kSymlink: return OpJson(action.symlink());  // its owner is not looked at (trap 4)
    case pb::FileAction::kRm: return OpJson(action.rm());
    case pb::FileAction::kCopy: return CopyText(action, inputs, selectors);
    case pb::FileAction::ACTION_NOT_SET: break;
  }
  return "";
}

// The shape that old versions did not write down: a chain of actions on input 0. That the inputs are counted by the number
// of actions is the reference's mistake and part of its keys.
bool AreDefault(const Indexes& indexes) {
  auto count = static_cast<int64_t>(indexes.size());
  for (int64_t i = 0; i < count; i++) {
    const auto& [input, secondary, output] = indexes[static_cast<size_t>(i)];
    if (input != (i == 0 ? 0 : count + i - 1)) return false;
    if (secondary != -1 && secondary != 1) return false;
    if (output != (i == count - 1 ? 0 : -1)) return false;
  }
  return count > 0;
}

std::string Text(const std::vector<std::string>& actions, const Indexes& indexes) {
  GoJsonWriter w;
  w.BeginObject();
  w.Key("Type");
  w.String("buildkit.file.v0");
  w.Key("Actions");
  w.BeginArray();
  for (const std::string& action : actions) {
    if (action.empty()) {
      w.Null();
    } else {
      w.Bytes(action);
    }
  }
  w.EndArray();
  if (!AreDefault(indexes)) {
    w.Key("indexes");
    w.BeginArray();
    for (const auto& triple : indexes) {
      w.BeginArray();
      for (int64_t index : triple) w.Int(index);
      w.EndArray();
    }
    w.EndArray();
  }
  w.EndObject();
  return w.Take();
}

std::vector<Selector> DedupeSelectors(const std::vector<Selector>& all) {
  std::vector<std::string> plain, followed;
  std::vector<Selector> kept, filtered;
  for (const Selector& selector : all) {
    if (selector.wildcard || !selector.include_patterns.empty() || !selector.exclude_patterns.empty()) {
      filtered.push_back(selector);
    } else {
      (selector.follow_links ? followed : plain).push_back(selector.path);
    }
  }
  auto add = [&](std::vector<std::string> paths, bool follow) {
    for (std::string& path : DedupePaths(std::move(paths))) {
      Selector selector;
      selector.path = std::move(path);
      selector.follow_links = follow;
      kept.push_back(std::move(selector));
    }
  };
  add(std::move(plain), false);
  add(std::move(followed), true);
  kept.insert(kept.end(), filtered.begin(), filtered.end());
  std::stable_sort(kept.begin(), kept.end(), [](const Selector& a, const Selector& b) { return a.path < b.path; });
  return kept;
}

}  // namespace

absl::StatusOr<MapPlan> PlanFile(const pb::FileOp& op, int inputs) {
  MapPlan plan;
  Selectors selectors;
  std::set<int64_t> written;  // inputs that actions work on count as a whole
  Indexes indexes;
  for (const pb::FileAction& action : op.actions()) {
    if (action.action_case() != pb::FileAction::ACTION_NOT_SET) written.insert(action.input());
    plan.action_texts.push_back(ActionText(action, inputs, selectors));
    indexes.push_back({action.input(), action.secondaryinput(), action.output()});
  }
  plan.text = Text(plan.action_texts, indexes);
  plan.deps.resize(static_cast<size_t>(inputs));
  for (const auto& [input, list] : selectors) {
    if (input < 0 || input >= inputs) return Unknown("invalid input index ", input, " in file op with ", inputs, " inputs");
    if (written.contains(input)) continue;
    MapDep& dep = plan.deps[static_cast<size_t>(input)];
    for (const Selector& selector : list) dep.parts.push_back(selector.path);
    std::sort(dep.parts.begin(), dep.parts.end(), std::greater<>());
    dep.by_content = true;
    dep.content = DedupeSelectors(list);
  }
  for (MapDep& dep : plan.deps) dep.preprocess = true;
  return plan;
}

}  // namespace bk::ops
