// Records of builds that ended: rows of the store's database, each with a lease on the blobs it names (log, error, results).
//
// A row is written when its blobs are complete, in one transaction with their lease; running builds have no row. So kill -9
// leaves whole records only. Times are nanoseconds since the epoch. Thread-safe. docs/store.md#history.
#pragma once

#include <functional>
#include <map>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "base/guarded.h"
#include "base/status.h"
#include "control/control.pb.h"
#include "snapshotter/content/content_store.h"
#include "snapshotter/lease/lease.h"

namespace bk::history {

using Record = moby::buildkit::v1::BuildHistoryRecord;

// A record goes when it is beyond both, and is not pinned (trap 11).
struct Limits {
  int64_t max_age_ns = int64_t{48} * 3600 * 1'000'000'000;
  int64_t max_entries = 50;
  // Beyond this number they go however young they are: a busy daemon shall not fill its disk with records.
  int64_t most_entries = 20'000;
};

struct RecordsParts {
  meta::Database* db = nullptr;
  content::ContentStore* content = nullptr;
  lease::Leases* leases = nullptr;
  std::function<absl::Status(const Digest&)> remove_blob;  // unless somebody keeps it; null: collection does it
  Limits limits;
};

class Records {
 public:
  explicit Records(RecordsParts parts) : parts_(std::move(parts)) {}
  // Before all else: drops leases that no record has, and records that lost blobs of their own (log, error, trace).
  absl::Status Load();

  content::ContentStore& content() const { return *parts_.content; }
  // Keeps the record and every blob it names that is there; committed when it returns. One of the same ref is replaced. Who wrote the blobs
  // holds ContentStore::Use until then.
  absl::Status Put(const Record& record);
  // Changes a record in place; its blobs stay what they are. Unknown `failed to retrieve ref …: file does not exist`.
  absl::StatusOr<Record> Update(const std::string& ref, const std::function<void(Record&)>& change);
  // NotFound if there is none.
  absl::StatusOr<Record> Find(const std::string& ref) const;
  bool Has(const std::string& ref) const;
  // By ref.
  absl::StatusOr<std::vector<Record>> All() const;
  // False if there is none. Blobs of its own go too.
  absl::StatusOr<bool> Remove(const std::string& ref);
  // What the limits let go at that time, newest first.
  std::vector<std::string> Expired(int64_t now_ns) const;

 private:
  struct Entry {
    int64_t completed_ns = 0;
    bool pinned = false;
  };
  using Index = std::map<std::string, Entry>;
  bool IsWhole(const Record& record) const;

  const RecordsParts parts_;
  std::mutex updates_;  // one change at a time: read, change, write
  Guarded<Index> index_;
};

// Every blob the record names: its own, results with the manifests and configs below them, attestations. Layers are not kept.
std::set<Digest> BlobsOf(const content::ContentStore& content, const Record& record);

}  // namespace bk::history
