#include "daemon/cache/refs.h"

namespace bk::cache {
namespace {

class HeldMount : public ActiveMount {
 public:
  HeldMount(std::shared_ptr<HeldRecord> held, std::vector<os::Mount> mounts) : held_(std::move(held)), mounts_(std::move(mounts)) {}
  const std::vector<os::Mount>& mounts() const override { return mounts_; }

 private:
  std::shared_ptr<HeldRecord> held_;
  std::vector<os::Mount> mounts_;
};

// A writable view of an immutable ref: a snapshot of its own that goes with the mount.
class ScratchMount : public ActiveMount {
 public:
  ScratchMount(std::shared_ptr<MutableRef> scratch, std::unique_ptr<ActiveMount> mount) : scratch_(std::move(scratch)), mount_(std::move(mount)) {}
  const std::vector<os::Mount>& mounts() const override { return mount_->mounts(); }

 private:
  std::shared_ptr<MutableRef> scratch_;
  std::unique_ptr<ActiveMount> mount_;
};

}  // namespace

RecordPtr RecordOf(const ImmutablePtr& ref) {
  auto* handle = dynamic_cast<const ImmutableHandle*>(ref.get());
  return handle == nullptr ? nullptr : handle->record();
}

absl::StatusOr<std::unique_ptr<ActiveMount>> ImmutableHandle::Mount(const CancelToken& cancel, const FetchContext& fetch, bool readonly) const {
  Manager& manager = *held_->manager();
  if (!readonly) {
    auto self = std::make_shared<ImmutableHandle>(held_);
    BK_TRY(MutablePtr scratch, manager.New(cancel, fetch, self, {"temporary", RecordType::kInternal, false}));
    std::shared_ptr<MutableRef> shared = std::move(scratch);
    BK_TRY(auto mount, shared->Mount(cancel, fetch, false));
    return std::make_unique<ScratchMount>(std::move(shared), std::move(mount));
  }
  BK_RETURN_IF_ERROR(manager.Extract(cancel, fetch, record()));
  return std::make_unique<HeldMount>(held_, manager.driver().ReadOnlyMounts(manager.SnapshotChain(record())));
}

std::vector<ImmutablePtr> ImmutableHandle::LayerChain() const {
  std::vector<ImmutablePtr> chain;
  for (const RecordPtr& link : held_->manager()->Chain(record())) chain.push_back(held_->manager()->MakeImmutable(link));
  return chain;
}

absl::StatusOr<std::vector<Layer>> ImmutableHandle::Layers(const CancelToken& cancel, const FetchContext& fetch, const CompressionChoice& compression, bool create) const {
  return manager().MakeLayers(cancel, fetch, manager().Chain(record()), compression, create);
}

absl::StatusOr<std::unique_ptr<ActiveMount>> MutableHandle::Mount(const CancelToken&, const FetchContext&, bool readonly) const {
  snapshotter::Parents parents = manager_->SnapshotChain(record_->parent);
  std::vector<os::Mount> mounts = manager_->driver().WritableMounts(record_->snapshot, parents);
  if (readonly) {
    for (os::Mount& mount : mounts) {
      std::erase(mount.options, "rw");
      mount.options.push_back("ro");
    }
  }
  manager_->Hold(record_);
  return std::make_unique<HeldMount>(std::make_shared<HeldRecord>(manager_, record_), std::move(mounts));
}

absl::StatusOr<ImmutablePtr> MutableHandle::Commit(const CancelToken& cancel) {
  BK_RETURN_IF_ERROR(cancel.Check());
  BK_TRY(ImmutablePtr ref, manager_->Commit(record_));
  manager_->Release(std::exchange(record_, nullptr), false);
  return ref;
}

absl::Status MutableHandle::SetIndex(const std::string& index) { return manager_->SetIndex(record_, index); }

absl::Status MutableHandle::Destroy() {
  manager_->Release(std::exchange(record_, nullptr), true);
  return absl::OkStatus();
}

}  // namespace bk::cache
