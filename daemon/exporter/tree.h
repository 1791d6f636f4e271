// Results as trees of files for the client: a mounted ref, or several below a directory each.
//
// Blocks on mounts and reads. A tree belongs to one thread, except that Open may be called while another one walks.
#pragma once

#include <memory>
#include <optional>

#include "base/os/root_path.h"
#include "daemon/exporter/options.h"
#include "daemon/exporter/result.h"
#include "proto/fsutil/sender.h"

namespace bk::exporter {

using StatVisitor = std::function<absl::Status(fsutil::Stat&)>;

class ExportTree {
 public:
  // `ref` null: an empty tree. Every time becomes the epoch if there is one.
  static absl::StatusOr<std::unique_ptr<ExportTree>> Mount(const CancelToken& cancel, const cache::FetchContext& fetch, const cache::ImmutablePtr& ref,
                                                           std::optional<int64_t> epoch_seconds, const std::string& temp_dir);
  absl::Status Walk(const CancelToken& cancel, const StatVisitor& visit) const;
  absl::StatusOr<int> Open(const std::string& path) const;
  std::optional<int64_t> epoch_seconds() const { return epoch_seconds_; }

 private:
  ExportTree(cache::ImmutablePtr ref, std::unique_ptr<cache::ActiveMount> mount, os::TempMount mounted, os::RootDir root, std::optional<int64_t> epoch)
      : ref_(std::move(ref)), mount_(std::move(mount)), mounted_(std::move(mounted)), root_(std::move(root)), epoch_seconds_(epoch) {}
  cache::ImmutablePtr ref_;
  std::unique_ptr<cache::ActiveMount> mount_;
  os::TempMount mounted_;
  os::RootDir root_;
  std::optional<int64_t> epoch_seconds_;
};

struct PlatformTree {
  std::string id;  // "" when the result has no platforms
  std::unique_ptr<ExportTree> tree;
};
// One a platform of the result. `epoch` as given to the exporter.
absl::StatusOr<std::vector<PlatformTree>> MountResult(const CancelToken& cancel, const Result& result, const Epoch& epoch, const cache::FetchContext& fetch, const std::string& temp_dir);

// Where the trees of a source stand.
enum class Placement {
  kMerged,       // all at the root, the first one's entry wins
  kDirectories,  // each below "linux_amd64"
};
// `trees` must outlive the source. InvalidArgument when two directories would have one name.
absl::StatusOr<fsutil::TreeSource> MakeTreeSource(const CancelToken& cancel, const std::vector<const PlatformTree*>& trees, Placement placement);

}  // namespace bk::exporter
