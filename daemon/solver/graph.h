// The vertices and edges that builds want now, as the scheduler keeps them; internal to the solver.
//
// Everything here belongs to the scheduler's thread. A vertex stays while a build wants it, and with it everything below;
// so plain pointers between nodes are safe, and no chain of owners is ever as long as a chain of vertices. Every input
// lies deeper than its consumer (smaller `depth`), also after edges were merged: there are no cycles.
#pragma once

#include <array>
#include <memory>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "daemon/solver/edge.h"
#include "daemon/solver/op_runner.h"

namespace bk::solver {

struct VertexNode;

// One call of Job::Build.
struct BuildRequest {
  std::shared_ptr<JobState> job;
  EdgeNode* edge = nullptr;
  Guarded<std::optional<absl::StatusOr<ResultPtr>>> outcome;
};

struct EdgeNode {
  EdgeNode(VertexNode* v, size_t inputs_count, int output_index, bool ignore_cache)
      : vertex(v), output(output_index), state(inputs_count, output_index, ignore_cache), inputs(inputs_count) {}

  struct Input {
    EdgeNode* edge = nullptr;  // resolved when first asked
    Level want = Level::kNone;
    uint32_t slot = 0;         // place in edge->consumers while want > kNone
    bool changed = false, waits_content = false;
  };
  struct Consumer {
    EdgeNode* edge;
    uint32_t input;
  };

  VertexNode* const vertex;
  const int output;
  EdgeState state;
  EdgeNode* owner = nullptr;  // merged into that one
  std::vector<Input> inputs;
  std::vector<Consumer> consumers;
  std::array<uint32_t, 4> wants{};  // number of consumers by what they want
  std::vector<std::shared_ptr<BuildRequest>> requests;
  std::vector<size_t> index_hashes;    // entries in the index of equal edges
  bool queued = false, settling = false;
  bool waits_map = false, waits_run = false;
  bool waits_result = false;  // being loaded or stored
  // What consumers know.
  Level told_level = Level::kNone;
  size_t told_keys = 0;
  bool told_error = false;
};

// Work of a vertex that several of its edges may wait for.
struct SharedTask {
  std::shared_ptr<CancelSource> cancel;  // null: not running
  std::vector<EdgeNode*> waiters;
  uint32_t departures = 0;  // the vertex's, when it began
};

struct VertexNode {
  struct Content {
    SharedTask task;
    bool done = false;
    absl::StatusOr<Digest> digest = Digest();
  };

  std::shared_ptr<SharedOp> op;
  std::string key;
  std::vector<std::pair<VertexNode*, int>> inputs;
  std::vector<std::unique_ptr<EdgeNode>> edges;
  std::vector<std::shared_ptr<JobState>> jobs;
  uint32_t depth = 0;
  uint32_t departures = 0;  // builds that left
  bool removed = false;

  SharedTask map_task;
  std::vector<CacheMapPtr> maps;
  absl::Status map_error;
  std::vector<Content> contents;  // per input, once one is needed
  SharedTask run_task;
  uint32_t running = 0;  // tasks, those of edges alone too
  std::shared_ptr<Execution> execution;
  bool executed = false;
  absl::Status run_error;

  const Vertex& vertex() const { return *op->vertex(); }
  bool ignore_cache() const { return vertex().ignore_cache; }
};

// The edge for one output; follows merges.
EdgeNode* ResolveEdge(VertexNode* vertex, int output);

class Graph {
 public:
  // The node of `root`, with everything below it, wanted by `job`. Iterative: graphs may be deep.
  VertexNode* Add(const std::shared_ptr<JobState>& job, const VertexPtr& root);
  // Makes `job` want `vertex`, what is below it and what those were merged into.
  void AddJob(const std::shared_ptr<JobState>& job, VertexNode* vertex);
  // Takes the job away; returns the vertices that nobody wants now (no longer in the graph).
  std::vector<std::shared_ptr<VertexNode>> RemoveJob(JobState& job);
  // True if `from` needs `to`.
  static bool Reaches(const EdgeNode* from, const EdgeNode* to);
  // Vertices that `requests` may need.
  static std::unordered_set<const VertexNode*> Below(const std::unordered_set<std::shared_ptr<BuildRequest>>& requests);
  size_t size() const { return nodes_.size(); }
  std::shared_ptr<VertexNode> Share(const VertexNode* vertex) const { return nodes_.at(vertex->key); }

 private:
  VertexNode* AddVertex(const VertexPtr& vertex, const std::unordered_map<const Vertex*, VertexNode*>& done);
  std::unordered_map<std::string, std::shared_ptr<VertexNode>> nodes_;
};

// Finds edges in flight that are the same by their keys. Newest first, so that one told to ignore the cache is preferred
// to the one whose result it replaces.
class EqualEdges {
 public:
  // An edge equal to `edge`, or null. Registers `edge` under all it is known by.
  EdgeNode* FindAndAdd(EdgeNode* edge);
  void Remove(EdgeNode* edge);

 private:
  std::unordered_map<size_t, std::vector<EdgeNode*>> edges_;  // by hash of a key of the first input
};

}  // namespace bk::solver
