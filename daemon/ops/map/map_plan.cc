#include "daemon/ops/map/map_plan.h"

#include <algorithm>
#include <set>

#include "base/go_json.h"
#include "base/path.h"
#include "daemon/ops/map/op_json.h"

namespace bk::ops {
namespace {

std::string JoinNul(const std::vector<std::string>& parts) {
  std::string joined;
  for (size_t i = 0; i < parts.size(); i++) joined.append(i == 0 ? 0 : 1, '\0').append(parts[i]);
  return joined;
}

// {"Type":TYPE,KEY:op}
MapPlan PlanWhole(std::string_view type, std::string_view key, const google::protobuf::Message& op, size_t inputs) {
  GoJsonWriter w;
  w.BeginObject();
  w.Key("Type");
  w.String(type);
  w.Key(key);
  w.Raw(OpJson(op));
  w.EndObject();
  return {w.Take(), {}, std::vector<MapDep>(inputs)};
}

}  // namespace

Digest MapDep::SelectorDigest() const { return parts.empty() ? Digest() : DigestOf(JoinNul(parts)); }

std::vector<std::string> DedupePaths(std::vector<std::string> paths) {
  if (paths.size() <= 1) return paths;
  std::set<std::string> all(paths.begin(), paths.end());
  std::vector<std::string> kept;
  for (const std::string& path : all) {
    bool below = std::any_of(all.begin(), all.end(), [&](const std::string& other) {
      return path != other && path.starts_with(other.ends_with('/') ? other : other + "/");
    });
    if (!below) kept.push_back(path);
  }
  return kept;
}

MapPlan PlanMerge(const pb::MergeOp& op) { return PlanWhole("buildkit.merge.v0", "Merge", op, static_cast<size_t>(op.inputs_size())); }

MapPlan PlanDiff(const pb::DiffOp& op) {
  size_t inputs = (op.lower().input() != -1 ? 1 : 0) + (op.upper().input() != -1 ? 1 : 0);
  return PlanWhole("buildkit.diff.v0", "Diff", op, inputs);
}

// The member of a build is called Exec in the reference's keys.
MapPlan PlanBuild(const pb::BuildOp& op, int inputs) { return PlanWhole("buildkit.build.v0", "Exec", op, static_cast<size_t>(inputs)); }

MapPlan PlanPassthrough(const pb::PassthroughOp& op, int inputs) {
  return PlanWhole("buildkit.passthrough.v0", "Passthrough", op, static_cast<size_t>(inputs));
}

absl::StatusOr<Digest> ContentDigest(const std::vector<Selector>& selectors, const PathChecksum& checksum) {
  static const std::vector<Selector> kWhole{Selector{}};
  std::vector<std::string> digests;
  for (const Selector& selector : selectors.empty() ? kWhole : selectors) {
    contenthash::ChecksumOptions options;
    options.follow_links = selector.follow_links;
    options.wildcard = selector.wildcard;
    options.include_patterns = selector.include_patterns;
    options.exclude_patterns = selector.exclude_patterns;
    options.required_paths = selector.required_paths;
    BK_TRY(Digest digest, checksum(JoinPath("/", selector.path), options));
    digests.push_back(digest.str());
  }
  return DigestOf(JoinNul(digests));
}

}  // namespace bk::ops
