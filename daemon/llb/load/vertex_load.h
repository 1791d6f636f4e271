// From a definition as a client sent it to a graph of vertices (trap 3; golden keys/vertex).
//
// Every op is decoded, checked, its inputs rewritten to vertex digests, encoded again deterministically and hashed. The
// walk is iterative and bounded (hostile 1-8). Metadata stays keyed by the digest of the raw bytes. Thread-safe (functions).
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <unordered_map>

#include "base/platform.h"
#include "daemon/llb/load/entitlement_set.h"
#include "daemon/ops/ops.h"
#include "daemon/solver/vertex.h"
#include "llb/ops.pb.h"

namespace bk::llb {

// A definition above these is refused (ResourceExhausted).
inline constexpr int kMaxOps = 1'000'000;
inline constexpr size_t kMaxDefinitionBytes = 128 << 20;

struct LoadOptions {
  Platform default_platform;           // for ops without one (filled in after the digest is fixed)
  EntitlementSet entitlements;         // granted to the build
  cdi::Registry* devices = nullptr;    // null: the daemon offers none
  ops::OpFactory* ops = nullptr;       // null: vertices cannot be run (tests)
  // May change or refuse each source of the definition, needed or not, before it has a digest. Null: none.
  std::function<absl::Status(pb::SourceOp&)> source_policy;
  // Steps without a network mode or with the host's have other digests, and none but those and "none" are allowed.
  bool proxy_network = false;
};

// What is known of a vertex beside its place in the graph, for errors and provenance.
struct LoadedOp {
  std::shared_ptr<const pb::Op> op;  // inputs are vertex digests, platform filled in and normalised
  Digest raw;                        // of the bytes that the client sent (the last of several encodings)
  pb::OpMetadata metadata;
};

struct LoadedDefinition {
  solver::Edge root;                                  // null vertex: the empty tree
  std::unordered_map<std::string, Digest> vertex_of_raw;   // raw digest → vertex digest
  std::unordered_map<std::string, LoadedOp> ops;           // by vertex digest; only what the root needs
  // Cache mounts of execs that ignore the cache: id → the mount is on top of an input. To be dropped before the build.
  std::map<std::string, bool> pruned_cache_ids;
};

// Unknown with the reference's texts ("failed to load LLB: …" is added by the caller); ResourceExhausted above the bounds.
absl::StatusOr<LoadedDefinition> LoadDefinition(const CancelToken& cancel, const pb::Definition& definition, const LoadOptions& options);

}  // namespace bk::llb
