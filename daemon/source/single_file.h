// A tree of one regular file: what downloads and blobs become.
//
// Dropped without trace unless committed. Belongs to one thread.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "base/os/mount.h"
#include "base/os/unique_fd.h"
#include "daemon/cache/ref.h"

namespace bk::source {

struct FileAttributes {
  std::string name;  // one path element
  int64_t perm = 0;  // 0: 0600; of others the lower nine bits
  int64_t uid = 0, gid = 0;
  int64_t mtime_s = 0;
};

// InvalidArgument for an owner that chown(2) does not know, or takes for "as it is".
absl::Status CheckOwner(int64_t uid, int64_t gid);

class SingleFile {
 public:
  static absl::StatusOr<std::unique_ptr<SingleFile>> Create(const CancelToken& cancel, const cache::FetchContext& context, cache::CacheManager& cache, const std::string& description);
  int fd() const { return file_.get(); }  // for reading and writing
  // Bytes that may still be written without filling the disk: what a daemon needs to clean up is left.
  int64_t Room() const;
  // Makes the tree immutable. `index`: what it is found by (CacheManager::FindCommitted); "": nothing. The file is used up.
  absl::StatusOr<cache::ImmutablePtr> Commit(const CancelToken& cancel, const FileAttributes& attributes, const std::string& index);

 private:
  SingleFile() = default;
  absl::Status Finish(const FileAttributes& attributes);

  cache::MutablePtr tree_;
  std::unique_ptr<cache::ActiveMount> active_;
  os::TempMount mount_;
  os::UniqueFd dir_, file_;
};

}  // namespace bk::source
