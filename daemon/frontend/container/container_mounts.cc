#include "daemon/frontend/container/container_mounts.h"

#include <sys/stat.h>

#include <algorithm>

#include "base/path.h"

namespace bk::frontend {
namespace {

constexpr char kRoot[] = "/";

// As steps have them: every bind is a tree of its own that may be written, unless it is read-only and not the root.
pb::ExecOp OpOf(const ContainerOrder& order, std::vector<cache::ImmutablePtr>& inputs) {
  pb::ExecOp op;
  op.mutable_meta()->add_args(StrCat("container ", order.request.id));  // what descriptions of trees say
  op.mutable_meta()->set_cwd(kRoot);
  for (size_t i = 0; i < order.request.mounts.size(); i++) {
    pb::Mount& mount = *op.add_mounts() = order.request.mounts[i].mount;
    mount.set_output(0);
    mount.set_input(-1);
    if (order.trees[i] == nullptr) continue;
    mount.set_input(static_cast<int64_t>(inputs.size()));
    inputs.push_back(order.trees[i]);
  }
  return op;
}

std::string TargetOf(const pb::Mount& mount) { return IsAbsolutePath(CleanPath(mount.dest())) ? mount.dest() : JoinPath(kRoot, mount.dest()); }

}  // namespace

absl::StatusOr<std::unique_ptr<ContainerMounts>> ContainerMounts::Make(const CancelToken& cancel, const ContainerParts& parts, const ContainerOrder& order) {
  std::unique_ptr<ContainerMounts> made(new ContainerMounts);
  BK_RETURN_IF_ERROR(made->Prepare(cancel, parts, order));
  return made;
}

ContainerMounts::~ContainerMounts() {
  trees_.With([](auto& trees) { trees.clear(); });  // an open directory keeps its mount
  while (!places_.empty()) places_.pop_back();
  prepared_.Unmount();
  prepared_.scratch.clear();
  for (ops::PreparedMounts::Output& output : prepared_.outputs) output.written.reset();
}

absl::Status ContainerMounts::Prepare(const CancelToken& cancel, const ContainerParts& parts, const ContainerOrder& order) {
  const ContainerRequest& request = order.request;
  bool has_root = std::any_of(request.mounts.begin(), request.mounts.end(), [](const ContainerMount& m) { return m.mount.dest() == kRoot; });
  if (!has_root) return InvalidArgument("container ", request.id, " has no mount at /");
  std::vector<cache::ImmutablePtr> inputs;
  pb::ExecOp op = OpOf(order, inputs);
  BK_ASSIGN(prepared_, ops::PrepareMounts(cancel, {parts.cache, parts.sessions, parts.cache_mounts, order.fetch}, op, inputs));
  std::map<std::string, std::string> places;
  BK_ASSIGN(places[kRoot], Place(prepared_.root, false));
  for (exec::StepMount& mount : prepared_.mounts) BK_ASSIGN(places[mount.dest], Place(mount.mounts, mount.readonly));
  trees_.With([&](auto& trees) {
    for (const ContainerMount& mount : request.mounts) {
      auto place = places.find(TargetOf(mount.mount));
      trees.push_back({place == places.end() ? "" : place->second, nullptr});
    }
  });
  return AddFiles(request);
}

absl::StatusOr<std::string> ContainerMounts::Place(std::vector<os::Mount>& mounts, bool readonly) {
  if (mounts.size() == 1 && mounts[0].type == "bind") return mounts[0].source;
  readonly = readonly || std::any_of(mounts.begin(), mounts.end(), [](const os::Mount& m) { return m.readonly(); });
  BK_TRY(os::TempMount place, os::TempMount::Make(mounts));
  std::string path = place.path();
  places_.push_back(std::move(place));
  mounts = {{"bind", path, {"rbind"}}};
  if (readonly) mounts[0].options.push_back("ro");
  return path;
}

absl::Status ContainerMounts::AddFiles(const ContainerRequest& request) {
  for (const auto& [target, files] : request.files) {
    BK_TRY(os::TempDir dir, os::TempDir::Make("buildkit-files"));
    chmod(dir.path().c_str(), 0755);
    for (const auto& [name, content] : files) BK_RETURN_IF_ERROR(os::WriteFile(os::JoinPath(dir.path(), name), content, 0444));
    prepared_.mounts.push_back({target, {{"bind", dir.path(), {"bind", "ro", "nosuid", "nodev", "noexec"}}}, "", true});
    directories_.push_back(std::move(dir));
  }
  return absl::OkStatus();
}

absl::StatusOr<const TreeReader*> ContainerMounts::Files(int index) {
  return trees_.With([&](std::vector<Tree>& trees) -> absl::StatusOr<const TreeReader*> {
    if (index < 0 || static_cast<size_t>(index) >= trees.size()) return Unknown("mount index ", index, " is out of bounds (", trees.size(), " available)");
    Tree& tree = trees[static_cast<size_t>(index)];
    if (tree.path.empty()) return Unknown("mountable ", index, " not found");
    if (tree.reader == nullptr) {
      BK_TRY(TreeReader reader, TreeReader::Open(tree.path));
      tree.reader = std::make_unique<TreeReader>(std::move(reader));
    }
    return tree.reader.get();
  });
}

}  // namespace bk::frontend
