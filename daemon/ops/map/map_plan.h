// Cache maps of ops as pure functions of their definition: the text that is hashed, and per input the paths that count.
//
// Byte for byte the reference's (traps 4, 13, 14; golden keys/cachemap). daemon/ops/cache_map.h makes a solver::CacheMap of it.
// Thread-safe.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "base/digest.h"
#include "base/platform.h"
#include "daemon/cache/contenthash/tree.h"
#include "llb/ops.pb.h"

namespace bk::ops {

// What of an input's tree counts for its content digest.
struct Selector {
  std::string path;
  bool wildcard = false, follow_links = false;
  std::vector<std::string> include_patterns, exclude_patterns, required_paths;
  bool operator==(const Selector&) const = default;
};

struct MapDep {
  std::vector<std::string> parts;  // joined with NUL and hashed they are the selector; empty: none
  bool by_content = false;
  std::vector<Selector> content;  // with by_content; empty: the whole tree
  bool preprocess = false;        // make the input non-lazy before Exec

  Digest SelectorDigest() const;
};

struct MapPlan {
  std::string text;                        // JSON
  std::vector<std::string> action_texts;   // of a file op, inside `text` as base64
  std::vector<MapDep> deps;
  Digest digest() const { return DigestOf(text); }
};

// `inputs`: number of inputs of the vertex. Errors have the reference's texts.
absl::StatusOr<MapPlan> PlanExec(const pb::ExecOp& op, const Platform& platform, int inputs);
absl::StatusOr<MapPlan> PlanFile(const pb::FileOp& op, int inputs);
MapPlan PlanMerge(const pb::MergeOp& op);
MapPlan PlanDiff(const pb::DiffOp& op);
MapPlan PlanBuild(const pb::BuildOp& op, int inputs);
MapPlan PlanPassthrough(const pb::PassthroughOp& op, int inputs);

// The digest of NUL-joined digests, one a selector.
using PathChecksum = std::function<absl::StatusOr<Digest>(const std::string& path, const contenthash::ChecksumOptions&)>;
absl::StatusOr<Digest> ContentDigest(const std::vector<Selector>& selectors, const PathChecksum& checksum);

// Paths without duplicates and without those below another one, sorted. One path or none is returned as it is.
std::vector<std::string> DedupePaths(std::vector<std::string> paths);

}  // namespace bk::ops
