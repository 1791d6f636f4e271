// The graph that the solver works on: vertices by digest, edges to one output of a vertex. Immutable, shared.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "daemon/solver/op.h"

namespace bk::solver {

struct Vertex;
using VertexPtr = std::shared_ptr<const Vertex>;

struct Edge {
  VertexPtr vertex;
  int index = 0;  // output of the vertex
};

struct Vertex {
  Vertex() = default;
  Vertex(const Vertex&) = default;
  Vertex& operator=(const Vertex&) = default;
  ~Vertex();  // iterative: chains may be 100,000 long

  Digest digest;
  std::string name;
  std::vector<Edge> inputs;
  bool ignore_cache = false;
  std::optional<ProgressGroup> progress_group;
  // Makes the op; called once for all builds that share the vertex.
  std::function<absl::StatusOr<std::unique_ptr<Op>>()> make_op;
};

}  // namespace bk::solver
