#include "daemon/exporter/tree.h"

#include <fcntl.h>

#include <algorithm>

#include "proto/fsutil/walk.h"

namespace bk::exporter {
namespace {

constexpr int64_t kSecondNs = 1'000'000'000;

std::string DirectoryName(std::string id) {
  std::replace(id.begin(), id.end(), '/', '_');
  return id;
}

// The same entry below a directory: hard links and absolute symbolic links follow.
void MoveBelow(const std::string& directory, fsutil::Stat& stat) {
  stat.set_path(StrCat(directory, "/", stat.path()));
  if (stat.linkname().empty()) return;
  if ((stat.mode() & fsutil::kModeSymlink) == 0) {
    stat.set_linkname(StrCat(directory, "/", stat.linkname()));
  } else if (stat.linkname().starts_with('/')) {
    stat.set_linkname(StrCat("/", directory, stat.linkname()));
  }
}

absl::Status WalkDirectories(const CancelToken& cancel, const std::map<std::string, const ExportTree*>& trees, const StatVisitor& visit) {
  for (const auto& [name, tree] : trees) {
    fsutil::Stat directory;
    directory.set_path(name);
    directory.set_mode(fsutil::kModeDir | 0755);
    if (tree->epoch_seconds()) directory.set_modtime(*tree->epoch_seconds() * kSecondNs);
    BK_RETURN_IF_ERROR(visit(directory));
    BK_RETURN_IF_ERROR(tree->Walk(cancel, [&](fsutil::Stat& stat) {
      MoveBelow(name, stat);
      return visit(stat);
    }));
  }
  return absl::OkStatus();
}

absl::Status WalkMerged(const CancelToken& cancel, const std::vector<const ExportTree*>& trees, const StatVisitor& visit) {
  if (trees.size() == 1) return trees[0]->Walk(cancel, visit);
  std::vector<fsutil::Stat> all;
  for (const ExportTree* tree : trees) {
    BK_RETURN_IF_ERROR(tree->Walk(cancel, [&](fsutil::Stat& stat) {
      all.push_back(std::move(stat));
      return absl::OkStatus();
    }));
  }
  std::stable_sort(all.begin(), all.end(), [](const auto& a, const auto& b) { return fsutil::ComparePaths(a.path(), b.path()) < 0; });
  std::string last;
  for (fsutil::Stat& stat : all) {
    if (stat.path() == last) continue;
    last = stat.path();
    BK_RETURN_IF_ERROR(visit(stat));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::unique_ptr<ExportTree>> ExportTree::Mount(const CancelToken& cancel, const cache::FetchContext& fetch, const cache::ImmutablePtr& ref,
                                                              std::optional<int64_t> epoch, const std::string& temp_dir) {
  std::unique_ptr<cache::ActiveMount> mount;
  std::vector<os::Mount> mounts;
  if (ref != nullptr) {
    BK_ASSIGN(mount, ref->Mount(cancel, fetch, true));
    mounts = mount->mounts();
  }
  BK_TRY(os::TempMount mounted, os::TempMount::Make(mounts, temp_dir));
  BK_TRY(os::RootDir root, os::RootDir::Open(mounted.path()));
  return std::unique_ptr<ExportTree>(new ExportTree(ref, std::move(mount), std::move(mounted), std::move(root), epoch));
}

absl::Status ExportTree::Walk(const CancelToken& cancel, const StatVisitor& visit) const {
  return fsutil::Walk(cancel, mounted_.path(), {}, [&](fsutil::Stat& stat) {
    if (epoch_seconds_) stat.set_modtime(*epoch_seconds_ * kSecondNs);
    return visit(stat);
  });
}

absl::StatusOr<int> ExportTree::Open(const std::string& path) const {
  BK_TRY(os::UniqueFd fd, root_.OpenAt(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK));
  return fd.Release();
}

absl::StatusOr<std::vector<PlatformTree>> MountResult(const CancelToken& cancel, const Result& result, const Epoch& given, const cache::FetchContext& fetch, const std::string& temp_dir) {
  bool is_map = !result.refs.empty();
  if (is_map && !result.metadata.contains(kPlatformsKey)) return InvalidArgument("build result contains multiple refs without platforms mapping");
  BK_TRY(std::vector<ResultPlatform> platforms, PlatformsOf(result.metadata));
  if (!is_map && platforms.size() > 1) return InvalidArgument("unable to export multiple platforms without map");
  Epoch epoch = given;
  if (!epoch) {
    BK_TRY(std::optional<int64_t> frontend, FrontendEpoch(result.metadata, ""));
    if (frontend) epoch = frontend;
  }
  std::vector<PlatformTree> out;
  for (const ResultPlatform& platform : platforms) {
    bool found = false;
    cache::ImmutablePtr ref = FindRef(result, platform.id, &found);
    if (!found) return InvalidArgument("failed to find ref for ID ", platform.id);
    std::optional<int64_t> seconds;
    if (epoch) {
      seconds = *epoch;
    } else {
      BK_ASSIGN(seconds, FrontendEpoch(result.metadata, platform.id));
    }
    BK_TRY(auto tree, ExportTree::Mount(cancel, fetch, ref, seconds, temp_dir));
    out.push_back({platform.id, std::move(tree)});
  }
  return out;
}

absl::StatusOr<fsutil::TreeSource> MakeTreeSource(const CancelToken& cancel, const std::vector<const PlatformTree*>& trees, Placement placement) {
  fsutil::TreeSource source;
  if (placement == Placement::kMerged) {
    std::vector<const ExportTree*> plain;
    for (const PlatformTree* platform : trees) plain.push_back(platform->tree.get());
    source.walk = [cancel, plain](const StatVisitor& visit) { return WalkMerged(cancel, plain, visit); };
    source.open = [plain](const std::string& path) -> absl::StatusOr<int> {
      absl::StatusOr<int> opened = NotFound("open ", path, ": no such file or directory");
      for (const ExportTree* tree : plain) {
        opened = tree->Open(path);
        if (opened.ok()) break;
      }
      return opened;
    };
    return source;
  }
  std::map<std::string, const ExportTree*> named;
  for (const PlatformTree* platform : trees) {
    std::string name = DirectoryName(platform->id);
    if (name.empty() || name == "." || name == "..") return InvalidArgument("invalid path ", name, ": is a directory");
    if (!named.emplace(name, platform->tree.get()).second) return InvalidArgument("duplicate path ", name, ": file exists");
  }
  source.walk = [cancel, named](const StatVisitor& visit) { return WalkDirectories(cancel, named, visit); };
  source.open = [named](const std::string& path) -> absl::StatusOr<int> {
    size_t slash = path.find('/');
    auto it = named.find(path.substr(0, slash));
    if (slash == std::string::npos || it == named.end()) return NotFound("open ", path, ": no such file or directory");
    return it->second->Open(path.substr(slash + 1));
  };
  return source;
}

}  // namespace bk::exporter
