#include "daemon/explain/compare.h"

#include <algorithm>
#include <map>
#include <set>

#include "base/status.h"
#include "daemon/explain/identity.h"

namespace bk::explain {
namespace {

using v1::Build;
using v1::Cause;
using v1::Step;

constexpr size_t kListedFiles = 100;
constexpr std::string_view kVariable = "environment variable ";
constexpr int kMaxCauses = 20;
constexpr int kMaxDepth = 1000;  // of inputs that are looked through

bool EndedWell(const Step& step) { return step.outcome() != Step::FAILED; }

struct Place {
  const Build* build = nullptr;
  const Step* step = nullptr;
};

const Step* Find(const Build& build, const std::string& identity) {
  for (const Step& step : build.steps()) {
    if (step.identity() == identity) return &step;
  }
  return nullptr;
}

// Builds of the same thing have at least half of the smaller one's steps in common.
bool AreAlike(const Build& a, const Build& b) {
  std::set<std::string> ids;
  for (const Step& step : a.steps()) ids.insert(step.identity());
  int common = 0;
  for (const Step& step : b.steps()) common += ids.contains(step.identity());
  return 2 * common >= std::min(a.steps_size(), b.steps_size());
}

const Step* InputOf(const Build& build, const Step& step, int input) {
  int64_t index = input < step.inputs_size() ? step.inputs(input).step() : -1;
  return index >= 0 && index < build.steps_size() ? &build.steps(static_cast<int>(index)) : nullptr;
}

std::string SourceName(const Step& step) {
  std::string identifier = step.parts_size() > 0 ? step.parts(0).value() : step.name();
  if (size_t at = identifier.find("://"); at != std::string::npos) identifier = identifier.substr(at + 3);
  if (step.kind() == "docker-image") return "base image " + identifier;
  return StrCat(step.kind(), " source ", identifier);
}

bool IsSource(const Step& step) { return step.kind() == "docker-image" || step.kind() == "git" || step.kind() == "http" || step.kind() == "https" || step.kind() == "oci-layout" || step.kind() == "docker-image+blob"; }

class Comparer {
 public:
  Comparer(const Build& build, const Known& known) : build_(build), known_(known) {
    for (const Build& earlier : known_.earlier) alike_.push_back(AreAlike(build, earlier));
    arguments_.insert(build.build_arguments().begin(), build.build_arguments().end());
  }

  v1::StepReason Reason(const Step& step) {
    v1::StepReason reason;
    reason.set_name(step.name());
    reason.set_digest(step.vertex());
    reason.set_failed(step.outcome() == Step::FAILED);
    causes_ = reason.mutable_causes();
    std::string baseline;
    Explain(step, baseline);
    reason.set_compared_with(baseline);
    reason.set_sentence(Sentence(Instruction(step.name()), reason.causes(), known_.utc_offset_seconds));
    return reason;
  }

 private:
  void Explain(const Step& step, std::string& baseline) {
    if (step.kind() == "local") {
      Add(Cause::ALWAYS);
      return;
    }
    bool failed_before = false;
    Place before = Before(step, failed_before);
    if (before.build != nullptr) baseline = before.build->ref();
    if (step.ignore_cache()) {
      Add(Cause::NO_CACHE);
      return;
    }
    if (before.step == nullptr && !failed_before) {
      before = AtSamePlace(step);
      if (before.build != nullptr) baseline = before.build->ref();
      if (before.step != nullptr && InstructionChanged(step, *before.step)) {
        if (Cause* cause = Add(Cause::INSTRUCTION)) cause->set_before(Instruction(before.step->name()));
        return;
      }
    }
    if (before.step == nullptr) {
      Add(failed_before ? Cause::FAILED_BEFORE : Cause::FIRST);
      return;
    }
    for (const std::string& argument : before.build->build_arguments()) arguments_.insert(argument);
    CompareOwn(step, before);
    CompareInputs(step, before);
    if (causes_->empty()) WhatBecameOfIt(step, before);
    if (causes_->empty() && failed_before) Add(Cause::FAILED_BEFORE);
    if (causes_->empty()) RanInputs(step);
    if (causes_->empty()) Add(Cause::UNKNOWN);
  }

  Cause* Add(Cause::Kind kind) {
    if (causes_->size() >= kMaxCauses) return nullptr;
    Cause* cause = causes_->Add();
    cause->set_kind(kind);
    return cause;
  }

  // The newest one among alike builds, else among all.
  Place Before(const Step& step, bool& failed) const {
    for (bool alike : {true, false}) {
      for (size_t i = 0; i < known_.earlier.size(); i++) {
        if (alike_[i] != alike) continue;
        const Step* same = Find(known_.earlier[i], step.identity());
        if (same == nullptr) continue;
        if (EndedWell(*same)) return {&known_.earlier[i], same};
        failed = true;
      }
    }
    return {};
  }

  // Names may hold values of arguments: a step whose parts are the same but for its environment is the same one.
  static bool InstructionChanged(const Step& step, const Step& other) {
    auto parts = [](const Step& s) {
      std::map<std::string, std::string> out;
      for (const v1::Part& part : s.parts()) {
        if (!part.name().starts_with(kVariable)) out[part.name()] = part.value();
      }
      return out;
    };
    return parts(step) != parts(other);
  }

  Place AtSamePlace(const Step& step) const {
    if (step.position().empty()) return {};
    for (size_t i = 0; i < known_.earlier.size(); i++) {
      if (!alike_[i]) continue;
      for (const Step& other : known_.earlier[i].steps()) {
        if (other.position() == step.position() && other.kind() == step.kind() && Find(build_, other.identity()) == nullptr) return {&known_.earlier[i], &other};
      }
    }
    return {};
  }

  // Environment variables that the build was given are called what the user calls them.
  std::string PartName(const std::string& name) const {
    if (name.starts_with(kVariable) && arguments_.contains(name.substr(kVariable.size()))) return "build argument " + name.substr(kVariable.size());
    return name;
  }

  static std::string Shown(const v1::Part* part) {
    if (part == nullptr || part->hidden()) return "";
    return part->value().starts_with('=') ? part->value().substr(1) : part->value();
  }

  void CompareOwn(const Step& step, const Place& before) {
    std::map<std::string, std::pair<const v1::Part*, const v1::Part*>> parts;
    for (const v1::Part& part : before.step->parts()) parts[part.name()].first = &part;
    for (const v1::Part& part : step.parts()) parts[part.name()].second = &part;
    int differ = causes_->size();
    for (const auto& [name, pair] : parts) {
      auto [old_part, new_part] = pair;
      if (old_part != nullptr && new_part != nullptr && old_part->value() == new_part->value() && old_part->hidden() == new_part->hidden()) continue;
      Cause* cause = Add(Cause::PART);
      if (cause == nullptr) return;
      cause->set_name(PartName(name));
      bool shown = (old_part == nullptr || !old_part->hidden()) && (new_part == nullptr || !new_part->hidden());
      if (!shown) continue;
      cause->set_before(Shown(old_part));
      cause->set_after(Shown(new_part));
    }
    if (IsSource(step)) CompareSource(step, *before.step);
    bool keys_differ = !step.key().empty() && !before.step->key().empty() && step.key() != before.step->key();
    if (differ == causes_->size() && keys_differ) {
      if (Cause* cause = Add(Cause::PART)) cause->set_name("its definition");
    }
  }

  void CompareSource(const Step& step, const Step& before) {
    std::string now = step.pins_size() > 0 ? step.pins(0) : "", then = before.pins_size() > 0 ? before.pins(0) : "";
    bool differs = now.empty() || then.empty() ? step.key() != before.key() : now != then;
    if (!differs) return;
    Cause* cause = Add(Cause::SOURCE);
    if (cause == nullptr) return;
    cause->set_name(SourceName(step));
    if (now.empty() || then.empty()) return;
    cause->set_before(then);
    cause->set_after(now);
  }

  // What counted of the input then: of an older build if the newest one did not need to know.
  std::string ContentBefore(const Step& step, const Place& before, int input) const {
    auto content = [&](const Step& s) { return input < s.inputs_size() ? s.inputs(input).content() : std::string(); };
    if (!content(*before.step).empty()) return content(*before.step);
    bool older = false;
    for (const Build& build : known_.earlier) {
      older = older || &build == before.build;
      const Step* same = older ? Find(build, step.identity()) : nullptr;
      if (same != nullptr && same->key() == before.step->key() && !content(*same).empty()) return content(*same);
    }
    return "";
  }

  void CompareInputs(const Step& step, const Place& before) {
    if (step.inputs_size() != before.step->inputs_size()) {
      if (Cause* cause = Add(Cause::PART)) cause->set_name("number of inputs");
      return;
    }
    for (int i = 0; i < step.inputs_size(); i++) {
      const std::string& now = step.inputs(i).content();
      std::string then = now.empty() ? "" : ContentBefore(step, before, i);
      if (!now.empty() && !then.empty()) {
        if (now != then) AddFiles(then, now);
        continue;
      }
      CompareMaker(InputOf(build_, step, i), *before.build, InputOf(*before.build, *before.step, i));
    }
  }

  void AddFiles(const std::string& then, const std::string& now) {
    Cause* cause = Add(Cause::FILES);
    if (cause == nullptr) return;
    auto old_files = known_.files(then), new_files = known_.files(now);
    if (!old_files || !new_files) return;
    int64_t more = 0;
    for (v1::FileChange& change : CompareFiles(*old_files, *new_files, kListedFiles, more)) *cause->add_files() = std::move(change);
    cause->set_more_files(more);
  }

  void CompareMaker(const Step* maker, const Build& then, const Step* maker_then) {
    if (maker == nullptr || maker_then == nullptr || !Differs(*maker, then, *maker_then, 0)) return;
    if (IsSource(*maker) && maker->identity() == maker_then->identity()) return CompareSource(*maker, *maker_then);
    Cause* cause = Add(Cause::INPUT);
    if (cause == nullptr) return;
    cause->set_name(Instruction(maker->name()));
    cause->set_after(maker->outcome() == Step::RAN ? "ran anew" : "changed");
  }

  // Whether what `now` makes has another key than what `old` did.
  bool Differs(const Step& now, const Build& then, const Step& old, int depth) {
    if (depth > kMaxDepth) return false;
    if (now.kind() == "local") return old.kind() != "local";
    if (now.kind() != old.kind() || now.inputs_size() != old.inputs_size()) return true;
    if (!now.key().empty() && !old.key().empty() && now.key() != old.key()) return true;
    auto known = differs_.find({&now, &old});
    if (known != differs_.end()) return known->second;
    bool differs = false;
    for (int i = 0; i < now.inputs_size() && !differs; i++) {
      std::string content = now.inputs(i).content(), content_then = content.empty() ? "" : ContentBefore(now, {&then, &old}, i);
      if (!content.empty() && !content_then.empty()) {
        differs = content != content_then;
        continue;
      }
      const Step *below = InputOf(build_, now, i), *below_then = InputOf(then, old, i);
      if (below != nullptr && below_then != nullptr) differs = Differs(*below, then, *below_then, depth + 1);
    }
    return differs_[{&now, &old}] = differs;
  }

  // The newest removal of a record that had served.
  void WhatBecameOfIt(const Step& step, const Place& before) {
    int64_t removed_ns = 0;
    bool older = false;
    for (const Build& build : known_.earlier) {
      older = older || &build == before.build;
      const Step* same = older ? Find(build, step.identity()) : nullptr;
      if (same == nullptr || same->key() != step.key()) continue;
      for (const std::string& result : same->results()) removed_ns = std::max(removed_ns, known_.removed_ns(result));
    }
    if (removed_ns == 0) return;
    if (Cause* cause = Add(Cause::PRUNED)) cause->set_time_ns(removed_ns);
  }

  void RanInputs(const Step& step) {
    for (int i = 0; i < step.inputs_size(); i++) {
      const Step* maker = InputOf(build_, step, i);
      if (maker == nullptr || maker->outcome() != Step::RAN || maker->kind() == "local") continue;
      Cause* cause = Add(Cause::INPUT);
      if (cause == nullptr) return;
      cause->set_name(Instruction(maker->name()));
      cause->set_after("ran anew");
    }
  }

  const Build& build_;
  const Known& known_;
  std::vector<bool> alike_;
  std::set<std::string> arguments_;
  std::map<std::pair<const Step*, const Step*>, bool> differs_;
  google::protobuf::RepeatedPtrField<Cause>* causes_ = nullptr;
};

}  // namespace

std::vector<v1::FileChange> CompareFiles(const v1::FileList& before, const v1::FileList& after, size_t most, int64_t& more) {
  std::vector<v1::FileChange> changes;
  auto add = [&](v1::FileChange::Kind kind, const std::string& path) {
    if (changes.size() >= most) {
      more++;
      return;
    }
    v1::FileChange& change = changes.emplace_back();
    change.set_kind(kind);
    change.set_path(path);
  };
  auto digest = [](const v1::FileList& list, int i) { return std::string_view(list.digests()).substr(std::min(list.digests().size(), static_cast<size_t>(i) * kDigestBytes), kDigestBytes); };
  int i = 0, j = 0;
  while (i < before.paths_size() || j < after.paths_size()) {
    if (j == after.paths_size() || (i < before.paths_size() && before.paths(i) < after.paths(j))) {
      if (j == after.paths_size() && after.cut()) break;  // it may be beyond the end
      add(v1::FileChange::REMOVED, before.paths(i++));
    } else if (i == before.paths_size() || after.paths(j) < before.paths(i)) {
      if (i == before.paths_size() && before.cut()) break;
      add(v1::FileChange::ADDED, after.paths(j++));
    } else {
      if (digest(before, i) != digest(after, j)) add(v1::FileChange::CHANGED, after.paths(j));
      i++, j++;
    }
  }
  return changes;
}

v1::ExplainResponse Explain(const v1::Build& build, const Known& known) {
  v1::ExplainResponse response;
  response.set_ref(build.ref());
  response.set_started_ns(build.started_ns());
  response.set_completed_ns(build.completed_ns());
  response.set_dropped_steps(build.dropped_steps());
  Comparer comparer(build, known);
  std::vector<const Step*> ran;
  int64_t cached = 0;
  for (const Step& step : build.steps()) {
    if (step.outcome() == Step::RAN || step.outcome() == Step::FAILED) {
      ran.push_back(&step);
    } else {
      cached++;
    }
  }
  response.set_cached_steps(cached);
  std::stable_sort(ran.begin(), ran.end(), [](const Step* a, const Step* b) { return a->started_ns() < b->started_ns(); });
  for (const Step* step : ran) *response.add_steps() = comparer.Reason(*step);
  return response;
}

}  // namespace bk::explain
