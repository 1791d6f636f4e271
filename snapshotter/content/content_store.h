// Blobs by digest: <root>/blobs/<algorithm>/<hex>, written to <root>/ingest first.
//
// A blob appears under its final name only after its digest was verified; a crash leaves at most files in ingest, which
// are removed at the next start. Thread-safe. Layout: OCI image-layout v1.1 "blobs"; docs/store.md.
#pragma once

#include <memory>
#include <mutex>
#include <shared_mutex>
#include <string>
#include <vector>

#include "base/digest.h"
#include "base/os/unique_fd.h"
#include "base/status.h"
#include "snapshotter/content/arrival.h"

namespace bk::content {

// One blob being written. Dropped without trace unless committed.
class Ingest {
 public:
  ~Ingest();
  Ingest(Ingest&&) = default;
  // Held back until there is a larger piece to write.
  absl::Status Write(std::string_view bytes);
  int64_t size_bytes() const { return size_; }
  // Makes the bytes visible. `expected` empty: whatever they are. FailedPrecondition if the digest or (unless negative)
  // the size differ. Returns the digest.
  absl::StatusOr<Digest> Commit(const Digest& expected, int64_t expected_size);

 private:
  friend class ContentStore;
  Ingest(std::string path, std::string root, os::UniqueFd fd, std::shared_ptr<Arrival> arrival)
      : path_(std::move(path)), root_(std::move(root)), fd_(std::move(fd)), arrival_(std::move(arrival)) {}
  absl::Status Flush();
  absl::Status WriteNow(std::string_view bytes);
  std::string path_, root_;
  os::UniqueFd fd_;
  std::shared_ptr<Arrival> arrival_;  // null: nobody reads it yet
  std::string held_;
  Sha256 hasher_;
  int64_t size_ = 0, written_ = 0;
};

class ContentStore {
 public:
  static absl::StatusOr<std::unique_ptr<ContentStore>> Open(const std::string& root);
  // `arrival`: told how the bytes come; one ingest at a time.
  absl::StatusOr<Ingest> NewIngest(std::shared_ptr<Arrival> arrival = nullptr);
  absl::StatusOr<int64_t> Size(const Digest& digest) const;  // NotFound
  bool Has(const Digest& digest) const { return Size(digest).ok(); }
  absl::StatusOr<os::UniqueFd> OpenBlob(const Digest& digest) const;  // NotFound
  absl::StatusOr<std::string> Read(const Digest& digest, uint64_t limit_bytes) const;
  absl::Status Put(std::string_view bytes, const Digest& digest);  // present already is fine
  absl::Status Remove(const Digest& digest);
  std::string Path(const Digest& digest) const;
  // Every blob with its age since it was written.
  struct Entry {
    Digest digest;
    int64_t size_bytes;
    int64_t age_seconds;
  };
  absl::StatusOr<std::vector<Entry>> List() const;
  // Waits until the blob's bytes and name are on disk: a power cut does not take it back.
  absl::Status Sync(const Digest& digest) const;
  // Held by whoever wrote or found blobs that no record or lease keeps yet, for as long as it needs them.
  std::shared_lock<std::shared_mutex> Use() const { return std::shared_lock(uses_); }
  // Without waiting: owned only if there is no use, and then keeps new ones away.
  std::unique_lock<std::shared_mutex> TryKeepUsesAway() const { return std::unique_lock(uses_, std::try_to_lock); }

 private:
  explicit ContentStore(std::string root) : root_(std::move(root)) {}
  const std::string root_;
  mutable std::shared_mutex uses_;
};

}  // namespace bk::content
