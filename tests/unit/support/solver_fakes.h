// Ops, results and storages for tests of the solver: scripted, counted, and held at a point until the test lets go.
#pragma once

#include <algorithm>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "base/guarded.h"
#include "daemon/solver/cache_storage.h"
#include "daemon/solver/solver.h"

namespace bk::fakes {

struct FakeResult : solver::Result {
  FakeResult(std::string i, Digest c) : id(std::move(i)), content(std::move(c)) {}
  std::string Id() const override { return id; }
  std::string id;
  Digest content;
};

inline std::string IdOf(const solver::ResultPtr& result) { return static_cast<const FakeResult&>(*result).id; }

// What happened, in order; kinds are "cachemap", "exec", "content", "load", "save", "canceled".
class Journal {
 public:
  void Add(const std::string& kind, std::string text) {
    entries_.Change([&](auto& e) { e.emplace_back(kind, std::move(text)); });
  }
  std::vector<std::string> Of(const std::string& kind) const {
    return entries_.With([&](const auto& e) {
      std::vector<std::string> texts;
      for (const auto& [k, text] : e) {
        if (k == kind) texts.push_back(text);
      }
      return texts;
    });
  }
  std::vector<std::string> Sorted(const std::string& kind) const {
    auto texts = Of(kind);
    std::sort(texts.begin(), texts.end());
    return texts;
  }
  size_t Count(const std::string& kind, const std::string& text) const {
    auto texts = Of(kind);
    return static_cast<size_t>(std::count(texts.begin(), texts.end(), text));
  }
  // Blocks until the entry is there; false after ten seconds.
  bool Await(const std::string& kind, const std::string& text) {
    return entries_.WaitFor(std::chrono::seconds(10), [&](const auto& e) {
      return std::any_of(e.begin(), e.end(), [&](const auto& entry) { return entry.first == kind && entry.second == text; });
    });
  }

 private:
  Guarded<std::vector<std::pair<std::string, std::string>>> entries_;
};

// Keeps results by id for as long as it lives; `name` precedes ids in the journal.
class FakeResults : public solver::ResultStorage {
 public:
  FakeResults(Journal* journal, std::string name) : journal_(journal), name_(std::move(name)) {}
  void UseJournal(Journal* journal) { journal_ = journal; }
  absl::StatusOr<solver::CacheResult> Save(const solver::Result& result) override {
    const auto& fake = static_cast<const FakeResult&>(result);
    journal_->Add("save", StrCat(name_, " ", fake.id));
    return state_.With([&](State& s) {
      s.results[fake.id] = std::make_shared<FakeResult>(fake.id, fake.content);
      return solver::CacheResult{fake.id, ++s.clock};
    });
  }
  absl::StatusOr<solver::ResultPtr> Load(const std::string& id) override {
    auto found = state_.With([&](State& s) { return s.results.contains(id) ? s.results[id] : nullptr; });
    if (found == nullptr || fail_loads) return NotFound("no result ", id);
    journal_->Add("load", StrCat(name_, " ", id));
    return found;
  }
  bool Exists(const std::string& id) override {
    return claim_all || state_.With([&](State& s) { return s.results.contains(id); });
  }
  void Lose(const std::string& id) {
    state_.With([&](State& s) { s.results.erase(id); });
  }
  bool fail_loads = false, claim_all = false;

 private:
  struct State {
    std::map<std::string, solver::ResultPtr> results;
    int64_t clock = 0;
  };
  Journal* journal_;
  std::string name_;
  Guarded<State> state_;
};

// How one vertex behaves.
struct Script {
  std::string name;
  std::vector<Digest> keys;          // of its cache maps
  Digest content;                    // of its results
  std::vector<std::pair<const Script*, int>> inputs;
  int outputs = 1;
  std::set<int> content_inputs;      // inputs with a content function
  std::map<int, Digest> selectors;
  bool ignore_cache = false;
  std::string fails;                 // "", "cachemap", "exec", "slow"
  bool hold = false;                 // the run waits for Gate::Open or cancellation
  std::string error = "";            // of fails; default "<what> of <name> failed"
};

class Gate {
 public:
  void Open() {
    open_.Change([](bool& open) { open = true; });
  }
  absl::Status Wait(const CancelToken& cancel) {
    CancelCallback wake(cancel, [this] { open_.Change([](bool&) {}); });
    open_.Wait([&](bool open) { return open || cancel.cancelled(); });
    return cancel.Check();
  }

 private:
  Guarded<bool> open_;
};

// What the ops of one test share.
struct Stage {
  Journal journal;
  Gate gate;
  std::string run = "run1";
};

class FakeOp : public solver::Op {
 public:
  FakeOp(const Script* script, Stage* stage) : script_(script), stage_(stage) {}
  absl::StatusOr<solver::CacheMap> GetCacheMap(const CancelToken&, solver::OpContext&, int index) override {
    stage_->journal.Add("cachemap", StrCat(script_->name, "#", index));
    if (script_->fails == "cachemap") return Unknown("cachemap of ", script_->name, " failed");
    solver::CacheMap map;
    map.digest = script_->keys.at(static_cast<size_t>(index));
    map.done = static_cast<size_t>(index) + 1 == script_->keys.size();
    map.deps.resize(script_->inputs.size());
    for (const auto& [input, selector] : script_->selectors) map.deps[static_cast<size_t>(input)].selector = selector;
    for (int input : script_->content_inputs) {
      map.deps[static_cast<size_t>(input)].content = [this, input](const CancelToken&, solver::OpContext&, const solver::ResultPtr& result) -> absl::StatusOr<Digest> {
        stage_->journal.Add("content", StrCat(script_->name, " input ", input, " of ", IdOf(result)));
        if (script_->fails == "slow") return Unknown("content digest for ", script_->name, " failed");
        return static_cast<const FakeResult&>(*result).content;
      };
    }
    return map;
  }
  absl::StatusOr<std::vector<solver::ResultPtr>> Exec(const CancelToken& cancel, solver::OpContext&, const std::vector<solver::ResultPtr>& inputs) override {
    std::string text = script_->name + "(";
    for (const auto& input : inputs) text += (text.back() == '(' ? "" : ",") + IdOf(input);
    stage_->journal.Add("exec", text + ")");
    if (script_->hold) {
      if (absl::Status status = stage_->gate.Wait(cancel); !status.ok()) {
        stage_->journal.Add("canceled", script_->name);
        return status;
      }
    }
    if (script_->fails == "exec") return Unknown("exec of ", script_->name, " failed");
    std::vector<solver::ResultPtr> results;
    for (int i = 0; i < script_->outputs; i++) results.push_back(std::make_shared<FakeResult>(StrCat(script_->name, ":", i, "@", stage_->run), script_->content));
    return results;
  }
  absl::StatusOr<Permit> Acquire(const CancelToken&) override { return Permit(); }

 private:
  const Script* script_;
  Stage* stage_;
};

// The vertices of scripts; one vertex a script, its digest a hash of `salt` and the name.
class Vertices {
 public:
  explicit Vertices(Stage* stage, std::string salt = "") : stage_(stage), salt_(std::move(salt)) {}
  solver::VertexPtr Of(const Script* script) {
    if (auto it = made_.find(script); it != made_.end()) return it->second;
    auto vertex = std::make_shared<solver::Vertex>();
    vertex->digest = DigestOf(salt_ + script->name);
    vertex->name = script->name;
    vertex->ignore_cache = script->ignore_cache;
    for (const auto& [input, output] : script->inputs) vertex->inputs.push_back({Of(input), output});
    vertex->make_op = [script, stage = stage_]() -> absl::StatusOr<std::unique_ptr<solver::Op>> { return std::make_unique<FakeOp>(script, stage); };
    return made_[script] = vertex;
  }

 private:
  Stage* stage_;
  std::string salt_;
  std::map<const Script*, solver::VertexPtr> made_;
};

// Blocks until a vertex named `name` was mentioned.
class SeenSink : public solver::ProgressSink {
 public:
  void Vertex(const solver::VertexEvent& event) override {
    events_.Change([&](auto& e) { e.push_back(event); });
  }
  void Status(const solver::StatusEvent&) override {}
  void Log(const solver::LogEvent&) override {}
  void Warning(const solver::WarningEvent&) override {}
  bool Await(const std::string& name) {
    return events_.WaitFor(std::chrono::seconds(10), [&](const auto& e) { return std::any_of(e.begin(), e.end(), [&](const auto& v) { return v.name == name; }); });
  }
  std::vector<solver::VertexEvent> Of(const std::string& name) const {
    return events_.With([&](const auto& e) {
      std::vector<solver::VertexEvent> found;
      std::copy_if(e.begin(), e.end(), std::back_inserter(found), [&](const auto& v) { return v.name == name; });
      return found;
    });
  }

 private:
  Guarded<std::vector<solver::VertexEvent>> events_;
};

}  // namespace bk::fakes
