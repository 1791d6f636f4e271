// Takes over somebody else's definition: its operations become vertices of a graph that keep their bytes, and so their digests,
// with what the definition says of them (metadata, places in source files).
#pragma once

#include <optional>

#include "proto/llb/graph.h"

namespace bk::llb {

struct Imported {
  Output output;  // what the definition names as its result; empty: the empty tree
  std::optional<Platform> platform;
};

// InvalidArgument for a definition that is damaged or names operations that it does not have. The definition is not needed
// afterwards.
absl::StatusOr<Imported> Import(Graph& graph, const pb::Definition& definition);

}  // namespace bk::llb
