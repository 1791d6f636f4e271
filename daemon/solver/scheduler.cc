#include "daemon/solver/scheduler.h"

#include <algorithm>

namespace bk::solver {

Scheduler::Scheduler(CacheKeyStorage* keys, ResultStorage* results) : keys_(keys, results), thread_([this] { Loop(); }) {}

Scheduler::~Scheduler() {
  run_threads_.Wait();
  short_threads_.Wait();
  mailbox_.Change([](Mailbox& m) { m.stop = true; });
  thread_.join();
}

void Scheduler::Post(std::function<void()> message) {
  mailbox_.Change([&](Mailbox& m) { m.messages.push_back(std::move(message)); });
}

void Scheduler::Loop() {
  while (true) {
    std::vector<std::function<void()>> batch;
    bool stop = mailbox_.WaitThen([](const Mailbox& m) { return m.stop || !m.messages.empty(); },
                                  [&](Mailbox& m) {
                                    batch.swap(m.messages);
                                    return m.stop && batch.empty();
                                  });
    if (stop) return;
    for (auto& message : batch) {
      message();
      message = nullptr;  // captured handles end now
    }
    Settle();
  }
}

void Scheduler::Settle() {
  while (!queue_.empty() || !settling_.empty()) {
    if (!queue_.empty()) {
      EdgeNode* edge = queue_.front();
      queue_.pop_front();
      edge->queued = false;
      Step(edge);
      continue;
    }
    EdgeNode* edge = settling_.front();
    settling_.pop_front();
    edge->settling = false;
    if (edge->owner == nullptr) LowerWants(edge, WantOf(edge));
  }
  CancelUnneeded();
  if (busy_.empty() && !requests_.empty()) FailStuck();
}

// Nothing runs and nothing happens, yet builds wait: a fault of the rules in edge.cc. They fail rather than hang.
void Scheduler::FailStuck() {
  for (const auto& request : std::unordered_set(requests_)) {
    EdgeNode* edge = request->edge;
    std::erase(edge->requests, request);
    Answer(request, Internal("solver: nothing left to do for ", Quote(edge->vertex->vertex().name)));
  }
}

void Scheduler::Enqueue(EdgeNode* edge) {
  if (!std::exchange(edge->queued, true)) queue_.push_back(edge);
}

void Scheduler::EnqueueSettle(EdgeNode* edge) {
  if (!std::exchange(edge->settling, true)) settling_.push_back(edge);
}

std::vector<std::string> Scheduler::Query(const std::vector<KeyWithSelector>& inputs, int input, const std::string& digest, int output) {
  return keys_.Query(inputs, input, digest, output);
}
std::vector<CacheRecord> Scheduler::Records(const std::string& id) { return keys_.Records(id); }
bool Scheduler::Exists(const std::string& id) { return keys_.storage().Exists(id); }

absl::StatusOr<ResultPtr> Scheduler::Build(const CancelToken& cancel, const std::shared_ptr<JobState>& job, const Edge& edge) {
  auto request = std::make_shared<BuildRequest>();
  request->job = job;
  Post([this, request, edge] {
    EdgeNode* node = ResolveEdge(graph_.Add(request->job, edge.vertex), edge.index);
    request->edge = node;
    node->requests.push_back(request);
    requests_.insert(request);
    Enqueue(node);
  });
  CancelCallback stop(cancel, [&] {
    Post([this, request, cause = cancel.Check()] {
      EdgeNode* node = request->edge;
      if (node == nullptr || std::erase(node->requests, request) == 0) return;
      EnqueueSettle(node);
      Answer(request, cause);
    });
  });
  return request->outcome.WaitThen([](const auto& outcome) { return outcome.has_value(); }, [](auto& outcome) { return *std::move(outcome); });
}

void Scheduler::RemoveJob(const std::shared_ptr<JobState>& job) {
  Guarded<bool> done;
  Post([&] {
    Bury(graph_.RemoveJob(*job));
    done.Change([](bool& d) { d = true; });
  });
  done.Wait([](bool d) { return d; });
}

// Ends edges that nobody wants; the nodes themselves end on an op thread, for results may have files to close.
void Scheduler::Bury(std::vector<std::shared_ptr<VertexNode>> dead) {
  for (const auto& vertex : dead) {
    for (const auto& edge : vertex->edges) {
      LowerWants(edge.get(), Level::kNone);
      equal_.Remove(edge.get());
      FinishRequests(edge.get(), Cancelled("context canceled"));
      for (const EdgeNode::Consumer& consumer : edge->consumers) {
        if (consumer.edge->vertex->removed) continue;
        consumer.edge->inputs[consumer.input] = {};
        consumer.edge->state.OnError(Internal("vertex ", Quote(vertex->vertex().name), " is needed but gone"));
        Enqueue(consumer.edge);
      }
    }
  }
  auto gone = [](const EdgeNode* edge) { return edge->vertex->removed; };
  std::erase_if(queue_, gone);
  std::erase_if(settling_, gone);
  requests_ended_ = true;
  CancelUnneeded();
  std::erase_if(busy_, [](const VertexNode* vertex) { return vertex->removed; });
  if (!dead.empty()) short_threads_.Run([dead = std::move(dead)] {});
}

Level Scheduler::WantOf(const EdgeNode* edge) {
  if (!edge->requests.empty() || edge->wants[static_cast<size_t>(Level::kResult)] > 0) return Level::kResult;
  if (edge->wants[static_cast<size_t>(Level::kSlow)] > 0) return Level::kSlow;
  return edge->wants[static_cast<size_t>(Level::kFast)] > 0 ? Level::kFast : Level::kNone;
}

void Scheduler::Step(EdgeNode* edge) {
  if (edge->owner != nullptr) return;
  for (size_t i = 0; i < edge->inputs.size(); i++) {
    EdgeNode::Input& input = edge->inputs[i];
    if (std::exchange(input.changed, false) && input.want > Level::kNone) edge->state.OnInput(i, input.edge->state.output(), *this);
  }
  if (edge->state.TakeIdsChanged() && Merge(edge)) return;
  if (!edge->state.finished()) Act(edge);
  if (edge->owner != nullptr) return;
  TellConsumers(edge);
  if (edge->state.finished()) FinishRequests(edge, edge->state.output().error);
}

void Scheduler::Act(EdgeNode* edge) {
  EdgeActions actions = edge->state.Decide(WantOf(edge));
  bool less = false;
  for (size_t i = 0; i < edge->inputs.size(); i++) {
    if (actions.inputs[i] > edge->inputs[i].want) SetInputWant(edge, i, actions.inputs[i]);
    less = less || actions.inputs[i] < edge->inputs[i].want;
  }
  if (less) EnqueueSettle(edge);
  if (edge->waits_result) return;
  if (actions.load) return AskLoad(edge, *actions.load);
  if (actions.ask_map && !edge->waits_map) AskMap(edge);
  for (int input : actions.contents) {
    if (!edge->inputs[static_cast<size_t>(input)].waits_content) AskContent(edge, input);
  }
  if (actions.run && !edge->waits_run) AskRun(edge);
}

void Scheduler::SetInputWant(EdgeNode* edge, size_t index, Level want) {
  EdgeNode::Input& input = edge->inputs[index];
  if (input.want == want) return;
  if (input.want == Level::kNone) {  // it may have been merged since it was last asked
    auto [vertex, output] = edge->vertex->inputs[index];
    input.edge = ResolveEdge(vertex, output);
  }
  EdgeNode* below = input.edge;
  bool more = want > input.want;
  if (input.want != Level::kNone) below->wants[static_cast<size_t>(input.want)]--;
  if (want != Level::kNone) below->wants[static_cast<size_t>(want)]++;
  if (input.want == Level::kNone) {
    input.slot = static_cast<uint32_t>(below->consumers.size());
    below->consumers.push_back({edge, static_cast<uint32_t>(index)});
    input.changed = true;  // it may have something to tell already
    Enqueue(edge);
  } else if (want == Level::kNone) {
    EdgeNode::Consumer last = below->consumers.back();
    below->consumers[input.slot] = last;
    last.edge->inputs[last.input].slot = input.slot;
    below->consumers.pop_back();
  }
  input.want = want;
  if (more) {
    Enqueue(below);
  } else {
    EnqueueSettle(below);
  }
}

void Scheduler::TellConsumers(EdgeNode* edge) {
  const EdgeOutput& out = edge->state.output();
  if (out.level == edge->told_level && out.keys.size() == edge->told_keys && out.error.ok() == !edge->told_error) return;
  edge->told_level = out.level;
  edge->told_keys = out.keys.size();
  edge->told_error = !out.error.ok();
  for (const EdgeNode::Consumer& consumer : edge->consumers) {
    consumer.edge->inputs[consumer.input].changed = true;
    Enqueue(consumer.edge);
  }
  EnqueueSettle(edge);
}

void Scheduler::FinishRequests(EdgeNode* edge, const absl::Status& error) {
  for (const auto& request : std::exchange(edge->requests, {})) {
    if (error.ok()) {
      Answer(request, edge->state.output().result);
    } else {
      Answer(request, error);
    }
  }
}

void Scheduler::LowerWants(EdgeNode* edge, Level want) {
  EdgeActions needed = edge->state.Decide(want);
  for (size_t i = 0; i < edge->inputs.size(); i++) {
    if (needed.inputs[i] < edge->inputs[i].want) SetInputWant(edge, i, needed.inputs[i]);
  }
}

void Scheduler::Answer(const std::shared_ptr<BuildRequest>& request, absl::StatusOr<ResultPtr> outcome) {
  request->edge = nullptr;
  requests_.erase(request);
  requests_ended_ = true;
  request->outcome.Change([&](auto& o) { o = std::move(outcome); });
}

void Scheduler::CancelUnneeded() {
  if (!std::exchange(requests_ended_, false) || busy_.empty()) return;
  std::unordered_set<const VertexNode*> needed = Graph::Below(requests_);
  for (VertexNode* vertex : busy_) {
    if (needed.contains(vertex)) continue;
    Cancel(vertex->map_task);
    Cancel(vertex->run_task);
    for (VertexNode::Content& content : vertex->contents) Cancel(content.task);
  }
}

}  // namespace bk::solver
