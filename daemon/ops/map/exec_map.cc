// The cache map of an exec op: which parts of a step are its identity, and how its inputs count.
#include "base/go_json.h"
#include "base/path.h"
#include "daemon/ops/map/map_plan.h"
#include "daemon/ops/map/op_json.h"

namespace bk::ops {
namespace {

constexpr int64_t kNoInput = -1, kNoOutput = -1;

// A cache mount as the Dockerfile frontend makes it ("<target>" or "<namespace>/<target>") keeps its options in the key.
bool IsDefaultCacheMount(const pb::Mount& mount) {
  if (mount.cacheopt().sharing() != pb::SHARED) return false;
  const std::string& id = mount.cacheopt().id();
  if (id == mount.dest()) return true;
  size_t slash = id.find('/');
  return slash != std::string::npos && id.substr(slash + 1) == mount.dest();
}

// A lone plain root mount is not part of the text (keys of old versions stay valid).
bool IsLoneRoot(const pb::ExecOp& op) {
  if (op.mounts_size() != 1) return false;
  const pb::Mount& m = op.mounts(0);
  return m.dest() == "/" && !m.readonly() && m.mounttype() == pb::BIND && !m.has_cacheopt() && !m.has_sshopt() && !m.has_secretopt() && m.resultid().empty();
}

// Without what varies between machines and builds (trap 14).
pb::ExecOp Identity(const pb::ExecOp& full) {
  pb::ExecOp op = full;
  for (pb::HostIP& host : *op.mutable_meta()->mutable_extrahosts()) host.clear_ip();
  op.mutable_meta()->clear_proxy_env();
  for (pb::Mount& mount : *op.mutable_mounts()) {
    mount.clear_selector();
    if (!mount.has_cacheopt() || IsDefaultCacheMount(mount)) continue;
    mount.mutable_cacheopt()->clear_id();
    mount.mutable_cacheopt()->clear_sharing();
  }
  if (IsLoneRoot(op)) op.clear_mounts();
  return op;
}

std::string Text(const pb::ExecOp& op, const Platform& platform) {
  GoJsonWriter w;
  auto optional = [&](std::string_view key, const std::string& value) {
    if (value.empty()) return;
    w.Key(key);
    w.String(value);
  };
  w.BeginObject();
  w.Key("Type");
  w.String("buildkit.exec.v0");
  w.Key("Exec");
  w.Raw(OpJson(op));
  w.Key("OS");
  w.String(platform.os);
  w.Key("Arch");
  w.String(platform.architecture);
  optional("Variant", platform.variant);
  optional("OSVersion", platform.os_version);
  if (!platform.os_features.empty()) {
    w.Key("OSFeatures");
    w.BeginArray();
    for (const std::string& feature : platform.os_features) w.String(feature);
    w.EndArray();
  }
  w.EndObject();
  return w.Take();
}

// Content may stand for the input where the result cannot carry files of it that were not selected: no output, read-only,
// or the whole tree. By default the root mount is left out (it would be expensive).
absl::StatusOr<bool> CountsByContent(const pb::Mount& mount, const std::string& selector) {
  bool safe = mount.output() == kNoOutput || mount.readonly() || selector == "/";
  switch (mount.contentcache()) {
    case pb::OFF: return false;
    case pb::ON:
      if (!safe) return Unknown("invalid mount cache content ", OpText(mount));
      return true;
    default: return safe && mount.dest() != "/";
  }
}

std::vector<Selector> ContentSelectors(const std::vector<std::string>& parts) {
  std::vector<Selector> selectors;
  for (const std::string& path : DedupePaths(parts)) {
    if (path.empty() || path == "/") return {};
    Selector selector;
    selector.path = path;
    selector.follow_links = true;
    selectors.push_back(std::move(selector));
  }
  return selectors;
}

}  // namespace

absl::StatusOr<MapPlan> PlanExec(const pb::ExecOp& op, const Platform& platform, int inputs) {
  MapPlan plan;
  plan.text = Text(Identity(op), platform);
  plan.deps.resize(static_cast<size_t>(inputs));
  for (const pb::Mount& mount : op.mounts()) {
    if (mount.mounttype() == pb::SECRET || mount.mounttype() == pb::SSH || mount.mounttype() == pb::TMPFS) continue;
    if (mount.input() == kNoInput) continue;
    if (mount.input() < 0 || mount.input() >= inputs) return Unknown("invalid mountinput ", OpText(mount));
    MapDep& dep = plan.deps[static_cast<size_t>(mount.input())];
    dep.parts.push_back(JoinPath("/", mount.selector()));
    BK_ASSIGN(dep.by_content, CountsByContent(mount, dep.parts.back()));
  }
  for (MapDep& dep : plan.deps) {
    dep.preprocess = true;
    if (dep.by_content) dep.content = ContentSelectors(dep.parts);
  }
  return plan;
}

}  // namespace bk::ops
