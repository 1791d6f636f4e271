#include "daemon/solver/graph.h"

#include <algorithm>

namespace bk::solver {

EdgeNode* ResolveEdge(VertexNode* vertex, int output) {
  EdgeNode* edge = nullptr;
  for (const auto& known : vertex->edges) {
    if (known->output == output) edge = known.get();
  }
  if (edge == nullptr) {
    edge = vertex->edges.emplace_back(std::make_unique<EdgeNode>(vertex, vertex->inputs.size(), output, vertex->ignore_cache())).get();
  }
  while (edge->owner != nullptr) edge = edge->owner;
  return edge;
}

VertexNode* Graph::AddVertex(const VertexPtr& vertex, const std::unordered_map<const Vertex*, VertexNode*>& done) {
  // A vertex may share the work of one that ignores the cache, never the other way round.
  std::string key = vertex->digest.str(), ignoring = key + "-ignorecache";
  if (auto it = nodes_.find(ignoring); it != nodes_.end()) return it->second.get();
  if (auto it = nodes_.find(key); it != nodes_.end()) {
    if (it->second->ignore_cache() || !vertex->ignore_cache) return it->second.get();
    key = ignoring;
  }
  auto node = std::make_shared<VertexNode>();
  node->op = std::make_shared<SharedOp>(vertex);
  node->key = key;
  for (const Edge& input : vertex->inputs) {
    VertexNode* below = done.at(input.vertex.get());
    node->inputs.emplace_back(below, input.index);
    node->depth = std::max(node->depth, below->depth + 1);
  }
  return nodes_.emplace(key, std::move(node)).first->second.get();
}

VertexNode* Graph::Add(const std::shared_ptr<JobState>& job, const VertexPtr& root) {
  std::unordered_map<const Vertex*, VertexNode*> done;
  std::vector<std::pair<VertexPtr, bool>> stack = {{root, false}};
  while (!stack.empty()) {
    auto [vertex, inputs_done] = stack.back();
    stack.pop_back();
    if (done.contains(vertex.get())) continue;
    if (inputs_done) {
      done[vertex.get()] = AddVertex(vertex, done);
      continue;
    }
    stack.emplace_back(vertex, true);
    for (const Edge& input : vertex->inputs) stack.emplace_back(input.vertex, false);
  }
  AddJob(job, done[root.get()]);
  // A known vertex may have brought other inputs than this graph gives it: the latter must go with the job, too.
  for (const auto& [vertex, node] : done) {
    if (node->jobs.empty()) AddJob(job, node);
  }
  return done[root.get()];
}

void Graph::AddJob(const std::shared_ptr<JobState>& job, VertexNode* vertex) {
  std::vector<VertexNode*> pending = {vertex};
  while (!pending.empty()) {
    VertexNode* next = pending.back();
    pending.pop_back();
    if (std::find(next->jobs.begin(), next->jobs.end(), job) != next->jobs.end()) continue;
    next->jobs.push_back(job);
    next->op->feed()->AddJob(job);
    job->vertices.insert(next);
    for (auto it = next->inputs.rbegin(); it != next->inputs.rend(); ++it) pending.push_back(it->first);
    for (const auto& edge : next->edges) {
      if (edge->owner != nullptr) pending.push_back(edge->owner->vertex);
    }
  }
}

std::vector<std::shared_ptr<VertexNode>> Graph::RemoveJob(JobState& job) {
  std::vector<std::shared_ptr<VertexNode>> dead;
  for (VertexNode* vertex : std::exchange(job.vertices, {})) {
    std::erase_if(vertex->jobs, [&](const auto& known) { return known.get() == &job; });
    vertex->departures++;
    vertex->op->feed()->RemoveJob(&job);
    if (!vertex->jobs.empty()) continue;
    auto node = nodes_.extract(vertex->key);
    node.mapped()->removed = true;
    dead.push_back(std::move(node.mapped()));
  }
  return dead;
}

bool Graph::Reaches(const EdgeNode* from, const EdgeNode* to) {
  std::unordered_set<const EdgeNode*> seen;
  std::vector<const EdgeNode*> pending = {from};
  while (!pending.empty()) {
    const EdgeNode* next = pending.back();
    pending.pop_back();
    if (next == to) return true;
    if (next->vertex->depth <= to->vertex->depth || !seen.insert(next).second) continue;
    for (const auto& [vertex, output] : next->vertex->inputs) pending.push_back(ResolveEdge(vertex, output));
  }
  return false;
}

std::unordered_set<const VertexNode*> Graph::Below(const std::unordered_set<std::shared_ptr<BuildRequest>>& requests) {
  std::unordered_set<const VertexNode*> seen;
  std::vector<const VertexNode*> pending;
  for (const auto& request : requests) pending.push_back(request->edge->vertex);
  while (!pending.empty()) {
    const VertexNode* next = pending.back();
    pending.pop_back();
    if (!seen.insert(next).second) continue;
    for (const auto& [vertex, output] : next->inputs) pending.push_back(vertex);
    for (const auto& edge : next->edges) {
      if (edge->owner != nullptr) pending.push_back(edge->owner->vertex);
    }
  }
  return seen;
}

EdgeNode* EqualEdges::FindAndAdd(EdgeNode* edge) {
  EdgeNode* found = nullptr;
  for (const std::string& id : edge->state.EqualityIds(0)) {
    size_t hash = std::hash<std::string>()(StrCat(id, "|", edge->state.op_digest(), "|", edge->output));
    auto& bucket = edges_[hash];
    for (auto it = bucket.rbegin(); it != bucket.rend() && found == nullptr; ++it) {
      if (*it != edge && (*it)->owner == nullptr && (*it)->state.EqualTo(edge->state)) found = *it;
    }
    if (std::find(edge->index_hashes.begin(), edge->index_hashes.end(), hash) != edge->index_hashes.end()) continue;
    bucket.push_back(edge);
    edge->index_hashes.push_back(hash);
  }
  return found;
}

void EqualEdges::Remove(EdgeNode* edge) {
  for (size_t hash : std::exchange(edge->index_hashes, {})) {
    auto bucket = edges_.find(hash);
    if (bucket == edges_.end()) continue;
    std::erase(bucket->second, edge);
    if (bucket->second.empty()) edges_.erase(bucket);
  }
}

}  // namespace bk::solver
