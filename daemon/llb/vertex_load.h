// From a definition as a client sent it to a graph of vertices (trap 3; golden keys/vertex).
//
// Every op is decoded, checked, its inputs rewritten to vertex digests, encoded again deterministically and hashed. The
// walk is iterative and bounded (hostile 1-8). Metadata stays keyed by the digest of the raw bytes. Thread-safe (functions).
#pragma once

#include <map>
#include <memory>
#include <set>
#include <string>

#include "base/platform.h"
#include "daemon/ops/ops.h"
#include "daemon/solver/vertex.h"
#include "llb/ops.pb.h"

namespace bk::llb {

struct LoadOptions {
  Platform default_platform;          // for ops without one (filled in after the digest is fixed)
  std::set<std::string> entitlements;  // granted to the build ("network.host", "security.insecure")
  ops::OpFactory* ops = nullptr;       // null: vertices cannot be run (tests)
  std::set<std::string>* pruned_cache_ids = nullptr;  // out: cache mounts of ignore-cache execs (null: not wanted)
};

struct LoadedDefinition {
  solver::Edge root;                                     // null vertex: the empty tree
  std::map<std::string, Digest> vertex_of_raw;           // raw digest → vertex digest
  std::map<std::string, std::shared_ptr<const pb::Op>> ops;  // by vertex digest
};

// InvalidArgument/Unknown with the reference's texts ("failed to load LLB: …" is added by the caller).
absl::StatusOr<LoadedDefinition> LoadDefinition(const pb::Definition& definition, const LoadOptions& options);

}  // namespace bk::llb
