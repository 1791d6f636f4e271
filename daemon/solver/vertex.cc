#include "daemon/solver/vertex.h"

#include <algorithm>
#include <iterator>

namespace bk::solver {

// Takes the inputs of vertices that end here with it before they end, so that none of them frees a chain recursively.
Vertex::~Vertex() {
  std::vector<Edge> pending = std::move(inputs);
  while (!pending.empty()) {
    VertexPtr next = std::move(pending.back().vertex);
    pending.pop_back();
    if (next == nullptr || next.use_count() != 1) continue;
    // Nobody else can reach it any more, and vertices are not made const.
    auto& below = const_cast<Vertex&>(*next).inputs;
    std::move(below.begin(), below.end(), std::back_inserter(pending));
    below.clear();
  }
}

}  // namespace bk::solver
