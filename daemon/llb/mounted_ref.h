// A ref that a frontend looks into: mounted read-only for as long as this lives, since frontends read many small pieces.
// A tree that is one directory on disk is read there, without a mount.
//
// Thread-safe once made.
#pragma once

#include <memory>
#include <optional>

#include "base/os/file.h"
#include "base/os/mount.h"
#include "daemon/cache/ref.h"
#include "daemon/frontend/tree_reader.h"

namespace bk::llb {

class MountedRef {
 public:
  // A null ref is the empty tree.
  static absl::StatusOr<std::unique_ptr<MountedRef>> Make(const CancelToken& cancel, const cache::ImmutablePtr& ref, const cache::FetchContext& fetch);

  const frontend::TreeReader& files() const { return *files_; }

 private:
  MountedRef() = default;
  cache::ImmutablePtr ref_;
  std::unique_ptr<cache::ActiveMount> active_;
  os::TempDir empty_;
  os::TempMount mount_;
  std::optional<frontend::TreeReader> files_;
};

}  // namespace bk::llb
