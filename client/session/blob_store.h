// Blobs below a directory in the form of an OCI image layout ("blobs/<algorithm>/<hex>").
//
// A blob appears under its name only after its digest was verified; what is being written lies below "ingest". Thread-safe:
// one ingest a reference at a time (Unavailable for the others, which try again).
#pragma once

#include <sys/stat.h>

#include <memory>
#include <set>
#include <string>

#include "base/digest.h"
#include "base/guarded.h"
#include "base/os/unique_fd.h"

namespace bk::client {

class BlobStore {
 public:
  // Makes the directory if it is missing.
  static absl::StatusOr<std::shared_ptr<BlobStore>> Open(const std::string& path);
  explicit BlobStore(std::string path) : path_(std::move(path)) {}

  const std::string& path() const { return path_; }
  absl::StatusOr<struct stat> Info(const Digest& digest) const;  // NotFound `content sha256:…: not found`
  absl::StatusOr<os::UniqueFd> OpenBlob(const Digest& digest) const;

  // One blob being written; removed again unless committed.
  class Ingest {
   public:
    ~Ingest();
    int64_t offset() const { return offset_; }
    absl::Status Write(std::string_view bytes);
    // FailedPrecondition if size (when above 0) or digest (when given) differ; AlreadyExists if the blob is there.
    absl::StatusOr<Digest> Commit(int64_t size, const Digest& expected);

   private:
    friend class BlobStore;
    Ingest(BlobStore* store, std::string ref, std::string file, os::UniqueFd fd);
    BlobStore* store_;
    std::string ref_, file_;
    os::UniqueFd fd_;
    Sha256 hash_;
    int64_t offset_ = 0;
  };
  // `expected` may be empty; AlreadyExists if it is there. The ingest must end before the store does.
  absl::StatusOr<std::unique_ptr<Ingest>> Begin(const std::string& ref, const Digest& expected);

 private:
  std::string BlobPath(const Digest& digest) const;
  std::string path_;
  Guarded<std::set<std::string>> writing_;  // references
};

}  // namespace bk::client
