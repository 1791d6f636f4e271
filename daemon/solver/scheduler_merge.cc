// Merging of edges in flight that turned out to have equal keys (docs/architecture.md, the way of a build).
#include <algorithm>

#include "daemon/solver/scheduler.h"

namespace bk::solver {

// True if `edge` is no more: it was merged into an equal one.
bool Scheduler::Merge(EdgeNode* edge) {
  for (size_t i = 0; i < std::max<size_t>(edge->inputs.size(), 1); i++) {
    if (edge->state.EqualityIds(i).empty()) return false;
  }
  EdgeNode* other = equal_.FindAndAdd(edge);
  if (other == nullptr || edge->state.finished()) return false;
  // A vertex that took over an output of another one gets the rest of them, too, so that only one of the two runs.
  bool prefers_edge = std::any_of(other->vertex->edges.begin(), other->vertex->edges.end(),
                                  [&](const auto& e) { return e->owner != nullptr && e->owner->vertex == edge->vertex; });
  if (prefers_edge && MayMerge(other, edge)) {
    MergeInto(other, edge);
    Enqueue(edge);
    return false;
  }
  if (MayMerge(edge, other)) {
    MergeInto(edge, other);
    return true;
  }
  if (MayMerge(other, edge)) {
    MergeInto(other, edge);
    Enqueue(edge);
  }
  return false;
}

bool Scheduler::MayMerge(const EdgeNode* from, const EdgeNode* into) const {
  if (from->state.finished() || from->waits_result || from->waits_run) return false;  // it has what it needs, or nearly
  if (from->vertex->ignore_cache() && !into->vertex->ignore_cache()) return false;
  if (into->state.finished()) return true;  // needs nothing any more: no way back from there
  // Keeps "inputs are deeper": without it merges could close a circle.
  if (into->vertex->depth > from->vertex->depth) return false;
  return into->vertex->depth == from->vertex->depth || !Graph::Reaches(from, into);
}

void Scheduler::MergeInto(EdgeNode* from, EdgeNode* into) {
  LowerWants(from, Level::kNone);
  equal_.Remove(from);
  from->owner = into;
  for (const EdgeNode::Consumer& consumer : std::exchange(from->consumers, {})) {
    EdgeNode::Input& input = consumer.edge->inputs[consumer.input];
    input.edge = into;
    input.slot = static_cast<uint32_t>(into->consumers.size());
    input.changed = true;
    into->consumers.push_back(consumer);
    into->wants[static_cast<size_t>(input.want)]++;
    Enqueue(consumer.edge);
  }
  from->wants = {};
  for (auto& request : std::exchange(from->requests, {})) {
    request->edge = into;
    into->requests.push_back(std::move(request));
  }
  for (const auto& job : std::vector(from->vertex->jobs)) graph_.AddJob(job, into->vertex);
  Enqueue(into);
}

}  // namespace bk::solver
