#include "daemon/solver/shared_vertex.h"

#include <algorithm>
#include <set>

#include "base/go_json.h"
#include "base/id.h"

namespace bk::solver {
namespace {

constexpr char kRandom[] = "random:";

bool IsRandom(const std::string& id) { return id.starts_with(kRandom); }

// Key of a vertex without inputs, or of a content digest (output -1).
std::string RootId(const Digest& digest, int output) {
  if (digest.is_random()) return StrCat(kRandom, digest.hex());
  return DigestOf(StrCat(digest.str(), "@", output)).str();
}

}  // namespace

// Tells every build that wants the vertex.
class SharedVertex::Sink : public ProgressSink {
 public:
  explicit Sink(std::shared_ptr<SharedVertex> owner) : owner_(std::move(owner)) {}
  void Vertex(const VertexEvent& event) override { owner_->Say(event); }
  void Status(const StatusEvent& event) override { owner_->Say(event); }
  void Log(const LogEvent& event) override { owner_->Say(event); }
  void Warning(const WarningEvent& event) override { owner_->Say(event); }

 private:
  std::shared_ptr<SharedVertex> owner_;
};

class SharedVertex::Context : public OpContext {
 public:
  explicit Context(SharedVertex& owner) : owner_(owner) {}
  std::vector<std::string> SessionIds() const override {
    std::vector<std::string> ids;
    for (const auto& job : owner_.state_.With([](State& s) { return s.jobs; })) {
      std::string id = job->fields.With([](auto& f) { return f.session_id; });
      if (!id.empty()) ids.push_back(std::move(id));
    }
    return ids;
  }
  VertexProgress Progress() const override {
    return VertexProgress(std::make_shared<Sink>(owner_.shared_from_this()), owner_.vertex_->digest);
  }

 private:
  SharedVertex& owner_;
};

SharedVertex::SharedVertex(VertexPtr vertex, std::vector<Input> inputs, CacheKeyStorage* keys, ResultStorage* results, TaskGroup* tasks)
    : vertex_(std::move(vertex)),
      inputs_(std::move(inputs)),
      keys_(keys),
      stored_(results),
      tasks_(tasks),
      candidates_(inputs_.size()),
      content_done_(inputs_.size(), false) {}

void SharedVertex::AddJob(const std::shared_ptr<JobState>& job) {
  state_.With([&](State& s) {
    if (std::find(s.jobs.begin(), s.jobs.end(), job) != s.jobs.end()) return;
    for (const ProgressEvent& event : s.said) job->events->Add(event);
    s.jobs.push_back(job);
  });
}

bool SharedVertex::RemoveJob(const std::shared_ptr<JobState>& job) {
  bool last = state_.With([&](State& s) {
    std::erase(s.jobs, job);
    return s.jobs.empty();
  });
  if (last) cancel_.Cancel();
  return last;
}

void SharedVertex::Say(ProgressEvent event) {
  state_.With([&](State& s) {
    s.reported = true;
    for (const auto& job : s.jobs) job->events->Add(event);
    s.said.push_back(std::move(event));
  });
}

void SharedVertex::ReportCached() {
  // Iterative: chains may be thousands of vertices deep.
  std::vector<SharedVertex*> pending = {this};
  while (!pending.empty()) {
    SharedVertex* next = pending.back();
    pending.pop_back();
    bool first = next->state_.With([](State& s) { return !std::exchange(s.reported, true); });
    if (!first) continue;
    VertexEvent event{next->vertex_->digest, {}, next->vertex_->name, true, NowNs(), NowNs(), "", next->vertex_->progress_group};
    for (const Input& input : next->inputs_) event.inputs.push_back(input.vertex->vertex_->digest);
    next->Say(event);
    for (const Input& input : next->inputs_) pending.push_back(input.vertex.get());
  }
}

void SharedVertex::Start(int output, Stage stage) {
  bool start = state_.With([&](State& s) {
    auto reached = s.reached.find(output);
    bool there = reached != s.reached.end() && reached->second >= stage;
    if (there || s.running || !s.error.ok()) return false;
    return s.running = true;
  });
  if (start) tasks_->Run([self = shared_from_this(), output, stage] { self->Run(output, stage); });
}

absl::Status SharedVertex::Ensure(const CancelToken& cancel, int output, Stage stage) {
  CancelCallback wake(cancel, [this] { state_.Change([](State&) {}); });
  while (true) {
    Start(output, stage);
    auto there = [&](State& s) {
      auto reached = s.reached.find(output);
      return reached != s.reached.end() && reached->second >= stage;
    };
    state_.Wait([&](State& s) { return there(s) || !s.error.ok() || !s.running || cancel.cancelled(); });
    absl::Status error;
    bool done = state_.With([&](State& s) {
      error = there(s) ? absl::OkStatus() : s.error;
      return there(s) || !s.error.ok();
    });
    if (done) return error;
    BK_RETURN_IF_ERROR(cancel.Check());
  }
}

ResultPtr SharedVertex::result(int output) {
  return state_.With([&](State& s) {
    auto it = s.results.find(output);
    return it == s.results.end() ? nullptr : it->second;
  });
}

void SharedVertex::Run(int output, Stage stage) {
  absl::Status status = Advance(output, stage);
  state_.Change([&](State& s) {
    s.running = false;
    if (status.ok()) {
      s.reached[output] = std::max(s.reached[output], stage);
    } else {
      s.error = status;
    }
  });
}

absl::Status SharedVertex::Advance(int output, Stage stage) {
  BK_RETURN_IF_ERROR(cancel_.token().Check());
  BK_RETURN_IF_ERROR(DefinitionKeys(output));
  if (stage == Stage::kDefinitionKeys) return absl::OkStatus();
  BK_RETURN_IF_ERROR(ContentKeys(output));
  if (stage == Stage::kContentKeys) return absl::OkStatus();
  return Result(output);
}

// Emits started and completed around `work`, and names the vertex in its error.
absl::Status SharedVertex::WithProgress(const std::function<absl::Status(OpContext&)>& work) {
  Context context(*this);
  VertexEvent event{vertex_->digest, {}, vertex_->name, false, NowNs(), 0, "", vertex_->progress_group};
  for (const Input& input : inputs_) event.inputs.push_back(input.vertex->vertex_->digest);
  Say(event);
  absl::Status status = work(context);
  event.completed_ns = NowNs();
  event.error = Message(status);
  Say(event);
  return Fail(status);
}

absl::Status SharedVertex::Fail(absl::Status status) const {
  if (!status.ok() && !HasDetail(status, "errdefs.Vertex")) {
    AddDetail(status, {"errdefs.Vertex", StrCat("{\"digest\":", GoJsonString(vertex_->digest.str()), "}")});
  }
  return status;
}

absl::Status SharedVertex::LoadCacheMap(int output) {
  if (op_ == nullptr) {
    auto op = vertex_->make_op();
    if (!op.ok()) return Fail(op.status());
    op_ = *std::move(op);
  }
  auto load = [&](OpContext& context) -> absl::Status {
    for (int index = 0;; index++) {
      BK_TRY(map_, op_->GetCacheMap(cancel_.token(), context, index));
      if (!inputs_.empty()) return absl::OkStatus();
      std::string id = RootId(map_->digest, output);
      state_.With([&](State& s) { s.own_ids[output].push_back(id); });
      if (map_->done || (!vertex_->ignore_cache && !keys_->Results(id).empty())) return absl::OkStatus();
    }
  };
  if (!inputs_.empty()) {
    if (map_) return absl::OkStatus();
    Context context(*this);
    return Fail(load(context));
  }
  bool known = state_.With([&](State& s) { return !s.own_ids[output].empty(); });
  return known ? absl::OkStatus() : WithProgress(load);
}

absl::Status SharedVertex::DefinitionKeys(int output) {
  BK_RETURN_IF_ERROR(LoadCacheMap(output));
  for (const Input& input : inputs_) input.vertex->Start(input.output, Stage::kDefinitionKeys);
  for (const Input& input : inputs_) BK_RETURN_IF_ERROR(input.vertex->Ensure(cancel_.token(), input.output, Stage::kDefinitionKeys));
  TakeInputKeys();
  return absl::OkStatus();
}

void SharedVertex::AddCandidate(size_t input, Candidate candidate) {
  for (const Candidate& known : candidates_[input]) {
    if (known.id == candidate.id && known.selector == candidate.selector) return;
  }
  candidates_[input].push_back(std::move(candidate));
}

void SharedVertex::TakeInputKeys() {
  for (size_t i = 0; i < inputs_.size(); i++) {
    std::string selector = i < map_->deps.size() ? map_->deps[i].selector.str() : "";
    for (std::string& id : inputs_[i].vertex->KeyIds(inputs_[i].output)) AddCandidate(i, {std::move(id), selector});
  }
}

std::vector<std::string> SharedVertex::KeyIds(int output) {
  std::vector<std::string> ids = state_.With([&](State& s) { return s.own_ids[output]; });
  if (!inputs_.empty() && ids.empty()) ids = Query(output);
  return ids;
}

// Keys that every input leads to.
std::vector<std::string> SharedVertex::Query(int output) const {
  std::vector<std::string> found;
  for (size_t i = 0; i < inputs_.size(); i++) {
    std::set<std::string> targets;
    for (const Candidate& candidate : candidates_[i]) {
      CacheLink link{static_cast<int>(i), output, map_->digest.str(), candidate.selector};
      for (std::string& id : keys_->Links(candidate.id, link)) targets.insert(std::move(id));
    }
    if (i == 0) {
      found.assign(targets.begin(), targets.end());
    } else {
      std::erase_if(found, [&](const std::string& id) { return !targets.contains(id); });
    }
    if (found.empty()) break;
  }
  return found;
}

bool SharedVertex::HasStoredResult(const std::vector<std::string>& ids) const {
  return std::any_of(ids.begin(), ids.end(), [&](const std::string& id) { return !keys_->Results(id).empty(); });
}

void SharedVertex::LinkCandidates(int output, const std::string& id) {
  for (size_t i = 0; i < inputs_.size(); i++) {
    for (const Candidate& candidate : candidates_[i]) {
      keys_->AddLink(candidate.id, {static_cast<int>(i), output, map_->digest.str(), candidate.selector}, id);
    }
  }
}

// Looks at the contents of inputs where the op can say what they amount to, and at the content keys of the other inputs.
// Nothing happens if the definition already leads to a stored result.
absl::Status SharedVertex::ContentKeys(int output) {
  if (inputs_.empty() || vertex_->ignore_cache || executed_ || HasStoredResult(KeyIds(output))) return absl::OkStatus();
  auto has_content = [&](size_t i) { return i < map_->deps.size() && map_->deps[i].content != nullptr; };
  auto stage = [&](size_t i) { return has_content(i) ? Stage::kResult : Stage::kContentKeys; };
  for (size_t i = 0; i < inputs_.size(); i++) inputs_[i].vertex->Start(inputs_[i].output, stage(i));
  for (size_t i = 0; i < inputs_.size(); i++) BK_RETURN_IF_ERROR(inputs_[i].vertex->Ensure(cancel_.token(), inputs_[i].output, stage(i)));
  Context context(*this);
  for (size_t i = 0; i < inputs_.size(); i++) {
    if (!has_content(i) || content_done_[i]) continue;
    auto digest = map_->deps[i].content(cancel_.token(), context, inputs_[i].vertex->result(inputs_[i].output));
    if (!digest.ok()) {
      return WithProgress([&](OpContext&) { return Annotate(digest.status(), "failed to compute cache key"); });
    }
    content_done_[i] = true;
    AddCandidate(i, {RootId(*digest, -1), ""});
  }
  TakeInputKeys();
  return absl::OkStatus();
}

absl::StatusOr<bool> SharedVertex::LoadCached(int output) {
  if (vertex_->ignore_cache) return false;
  for (const std::string& id : KeyIds(output)) {
    for (const CacheResult& stored : keys_->Results(id)) {
      auto result = stored_->Load(stored.id);
      if (!result.ok()) {  // pruned or damaged: a miss, never an error
        keys_->RemoveResult(stored.id);
        continue;
      }
      LinkCandidates(output, id);
      state_.With([&](State& s) { s.results[output] = *result; });
      ReportCached();
      return true;
    }
  }
  return false;
}

absl::Status SharedVertex::Result(int output) {
  if (result(output) != nullptr || executed_) return absl::OkStatus();
  BK_TRY(bool cached, LoadCached(output));
  if (cached) return absl::OkStatus();
  for (const Input& input : inputs_) input.vertex->Start(input.output, Stage::kResult);
  for (const Input& input : inputs_) BK_RETURN_IF_ERROR(input.vertex->Ensure(cancel_.token(), input.output, Stage::kResult));
  TakeInputKeys();
  // The results of the inputs may have brought keys under which this one is known.
  BK_TRY(cached, LoadCached(output));
  return cached ? absl::OkStatus() : Execute();
}

absl::Status SharedVertex::Execute() {
  std::vector<ResultPtr> inputs;
  for (const Input& input : inputs_) inputs.push_back(input.vertex->result(input.output));
  std::vector<ResultPtr> outputs;
  BK_RETURN_IF_ERROR(WithProgress([&](OpContext& context) -> absl::Status {
    for (size_t i = 0; i < inputs.size() && i < map_->deps.size(); i++) {
      const CacheMapDep& dep = map_->deps[i];
      if (dep.preprocess) BK_RETURN_IF_ERROR(dep.preprocess(cancel_.token(), context, inputs[i]));
    }
    BK_TRY(Permit permit, op_->Acquire(cancel_.token()));
    BK_TRY(outputs, op_->Exec(cancel_.token(), context, inputs));
    return absl::OkStatus();
  }));
  executed_ = true;
  // Told to nobody before it is stored: what a client saw as done survives the daemon.
  return StoreResults(outputs);
}

absl::Status SharedVertex::StoreResults(const std::vector<ResultPtr>& results) {
  for (size_t output = 0; output < results.size(); output++) {
    if (results[output] == nullptr) continue;
    int index = static_cast<int>(output);
    std::vector<std::string> ids = KeyIds(index);
    if (ids.empty()) {
      bool random = std::any_of(candidates_.begin(), candidates_.end(), [](const auto& input) {
        return std::all_of(input.begin(), input.end(), [](const Candidate& c) { return IsRandom(c.id); });
      });
      ids = {random ? StrCat(kRandom, NewId()) : NewId()};
    }
    auto stored = stored_->Save(*results[output]);
    if (!stored.ok()) return Fail(stored.status());
    for (const std::string& id : ids) {
      LinkCandidates(index, id);
      keys_->AddResult(id, *stored);
    }
    state_.With([&](State& s) {
      s.own_ids[index] = ids;
      s.results[index] = results[output];
    });
  }
  return absl::OkStatus();
}

}  // namespace bk::solver
