#include "tests/golden/layers/cache_store.h"

#include "snapshotter/diff/apply.h"
#include "snapshotter/diff/compress.h"

namespace bk::golden::layers {

absl::StatusOr<TestStore> TestStore::Make(const std::string& snapshotter) {
  TestStore made;
  BK_ASSIGN(made.dir, os::TempDir::Make("golden-store-"));
  BK_ASSIGN(made.store, cache::Store::Open({made.dir.path(), snapshotter}));
  return made;
}

absl::StatusOr<cache::ImmutablePtr> TestStore::Layer(const cache::ImmutablePtr& parent, const Json& ops) {
  CancelToken cancel;
  BK_TRY(cache::MutablePtr tree, store->manager().New(cancel, {}, parent, {}));
  {
    BK_TRY(auto active, tree->Mount(cancel, {}, false));
    BK_TRY(os::TempMount mount, os::TempMount::Make(active->mounts(), dir.path()));
    BK_RETURN_IF_ERROR(RunOps(mount.path(), ops));
  }
  return tree->Commit(cancel);
}

absl::StatusOr<cache::ImmutablePtr> TestStore::FromStream(const cache::ImmutablePtr& parent, const std::string& tar) {
  CancelToken cancel;
  BK_TRY(cache::MutablePtr tree, store->manager().New(cancel, {}, parent, {}));
  {
    BK_TRY(auto active, tree->Mount(cancel, {}, false));
    BK_TRY(os::TempMount mount, os::TempMount::Make(active->mounts(), dir.path()));
    diff::StringSource source(tar);
    BK_RETURN_IF_ERROR(diff::ApplyLayer(cancel, source, {mount.path()}).status());
  }
  return tree->Commit(cancel);
}

absl::StatusOr<std::string> TestStore::Plain(const Digest& blob) {
  BK_TRY(os::UniqueFd fd, store->content().OpenBlob(blob));
  diff::FdSource file(fd.get());
  BK_TRY(auto decoder, diff::MakeDecoder(file));
  std::string all, buffer(64 << 10, '\0');
  while (true) {
    BK_TRY(size_t n, decoder->Read(buffer.data(), buffer.size()));
    if (n == 0) return all;
    all.append(buffer, 0, n);
  }
}

}  // namespace bk::golden::layers
