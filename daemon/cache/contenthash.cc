#include "daemon/cache/contenthash.h"

#include "daemon/cache/refs.h"

namespace bk::cache {
namespace {

// Mounts the ref when the first file must be read.
class LazyRoot {
 public:
  LazyRoot(const CancelToken& cancel, const FetchContext& fetch, const ImmutablePtr& ref) : cancel_(cancel), fetch_(fetch), ref_(ref) {}
  absl::StatusOr<const os::RootDir*> Open() {
    if (root_) return &*root_;
    BK_ASSIGN(active_, ref_->Mount(cancel_, fetch_, true));
    BK_ASSIGN(mount_, os::TempMount::Make(active_->mounts()));
    BK_TRY(os::RootDir root, os::RootDir::Open(mount_.path()));
    root_ = std::move(root);
    return &*root_;
  }

 private:
  const CancelToken& cancel_;
  const FetchContext& fetch_;
  const ImmutablePtr& ref_;
  std::unique_ptr<ActiveMount> active_;
  os::TempMount mount_;
  std::optional<os::RootDir> root_;
};

class Updater : public ContentHashUpdater {
 public:
  Updater(Manager* manager, RecordPtr record) : manager_(manager), record_(std::move(record)), shared_(manager_->hashes().Get(record_->id)) {
    shared_->tree.ForgetLinks();
  }
  absl::Status HandleChange(ChangeKind kind, const std::string& path, const fsutil::Stat& stat, const Digest& digest) override {
    std::lock_guard lock(shared_->mutex);
    return shared_->tree.HandleChange(kind, path, stat, digest);
  }
  absl::Status Finish() override {
    std::lock_guard lock(shared_->mutex);
    // Those of a tree without a change are stored already.
    if (shared_->tree.TakeDirty()) BK_RETURN_IF_ERROR(manager_->hashes().SaveNow(record_->id, *shared_));
    manager_->DeleteValue(record_, kTransferMark);
    return absl::OkStatus();
  }

 private:
  Manager* manager_;
  RecordPtr record_;
  std::shared_ptr<SharedHashTree> shared_;
};

}  // namespace

absl::StatusOr<Digest> Checksum(const CancelToken& cancel, const FetchContext& fetch, const ImmutablePtr& ref, const std::string& path, const ChecksumOptions& options) {
  if (ref == nullptr) return contenthash::ScratchChecksum(path);
  auto* handle = dynamic_cast<const ImmutableHandle*>(ref.get());
  if (handle == nullptr) return Internal("content checksum of a ref of another store");
  std::string owner = handle->manager().HashOwner(handle->record());
  HashStore& hashes = handle->manager().hashes();
  std::shared_ptr<SharedHashTree> shared = hashes.Get(owner);
  LazyRoot root(cancel, fetch, ref);
  std::lock_guard lock(shared->mutex);
  auto digest = shared->tree.Checksum(cancel, [&] { return root.Open(); }, path, options);
  if (shared->tree.TakeDirty()) hashes.Save(owner, *shared);
  return digest;
}

void VisitKnownChecksums(const ImmutablePtr& ref, const std::function<void(const std::string& path, const std::string& digest)>& see) {
  auto* handle = dynamic_cast<const ImmutableHandle*>(ref.get());
  if (handle == nullptr) return;
  std::shared_ptr<SharedHashTree> shared = handle->manager().hashes().Get(handle->manager().HashOwner(handle->record()));
  std::lock_guard lock(shared->mutex);
  for (const auto& [key, record] : shared->tree.records()) {
    if (record.type != contenthash::RecordType::kDir && !record.digest.empty()) see(contenthash::PathOf(key), record.digest);
  }
}

absl::StatusOr<std::unique_ptr<ContentHashUpdater>> ContentHashUpdater::Begin(const MutableRef& ref) {
  auto* handle = dynamic_cast<const MutableHandle*>(&ref);
  if (handle == nullptr) return Internal("content checksum of a ref of another store");
  // From here on the stored checksums and the tree may disagree.
  BK_RETURN_IF_ERROR(ref.SetValue(kTransferMark, "1"));
  return std::make_unique<Updater>(handle->manager(), handle->record());
}

}  // namespace bk::cache
