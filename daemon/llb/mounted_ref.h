// A ref that a frontend looks into: mounted read-only, read through RootDir, so that links in it lead nowhere else.
//
// What may be read is bounded: regular files only, a message's worth of bytes, so many entries. Thread-safe once made.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/os/file.h"
#include "base/os/mount.h"
#include "base/os/root_path.h"
#include "daemon/cache/ref.h"
#include "daemon/frontend/bridge.h"

namespace bk::llb {

class MountedRef {
 public:
  // A null ref is the empty tree.
  static absl::StatusOr<std::unique_ptr<MountedRef>> Make(const CancelToken& cancel, const cache::ImmutablePtr& ref, const cache::FetchContext& fetch);

  // `length` < 0: to the end. `PATH is not a regular file` for other kinds.
  absl::StatusOr<std::string> ReadFile(const std::string& path, int64_t offset, int64_t length) const;
  // Entries of one directory, sorted; names relative to it.
  absl::StatusOr<std::vector<frontend::FileStat>> ReadDir(const CancelToken& cancel, const std::string& path, const std::string& include_pattern) const;
  // Follows links.
  absl::StatusOr<frontend::FileStat> StatFile(const std::string& path) const;

 private:
  MountedRef() = default;
  cache::ImmutablePtr ref_;
  std::unique_ptr<cache::ActiveMount> active_;
  os::TempDir empty_;
  os::TempMount mount_;
  std::optional<os::RootDir> root_;
};

}  // namespace bk::llb
