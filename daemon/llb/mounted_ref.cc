#include "daemon/llb/mounted_ref.h"

namespace bk::llb {

absl::StatusOr<std::unique_ptr<MountedRef>> MountedRef::Make(const CancelToken& cancel, const cache::ImmutablePtr& ref, const cache::FetchContext& fetch) {
  std::unique_ptr<MountedRef> out(new MountedRef());
  out->ref_ = ref;
  std::string path;
  if (ref == nullptr) {
    BK_ASSIGN(out->empty_, os::TempDir::Make("buildkit-empty"));
    path = out->empty_.path();
  } else {
    BK_ASSIGN(out->active_, ref->Mount(cancel, fetch, true));
    const std::vector<os::Mount>& mounts = out->active_->mounts();
    if (mounts.size() == 1 && mounts[0].type == "bind") {
      path = mounts[0].source;  // a tree in one directory is read where it lies
    } else {
      BK_ASSIGN(out->mount_, os::TempMount::Make(mounts));
      path = out->mount_.path();
    }
  }
  BK_TRY(out->files_, frontend::TreeReader::Open(path));
  return out;
}

}  // namespace bk::llb
