// CacheManager over one database, one driver and one content store. Internal to daemon/cache; see store.h.
//
// manager.cc: making and finding records · twins.cc: views of retained trees · removal.cc: taking records away ·
// recover.cc: start-up · prune.cc: usage and rules · extract.cc, layers.cc: blob → snapshot and back · merge.cc.
#pragma once

#include <atomic>
#include <set>
#include <span>
#include <unordered_map>

#include "base/filter.h"
#include "base/guarded.h"
#include "base/task_group.h"
#include "daemon/cache/hash_store.h"
#include "daemon/cache/record.h"
#include "daemon/cache/store.h"
#include "snapshotter/content/content_store.h"
#include "snapshotter/lease/lease.h"
#include "snapshotter/meta/database.h"

namespace bk::cache {

class Manager : public CacheManager {
 public:
  Manager(meta::Database* db, content::ContentStore* content, lease::Leases* leases, snapshotter::Driver* driver, std::string root)
      : db_(db), content_(content), leases_(leases), driver_(driver), root_(std::move(root)), hashes_(db) {}
  // Reads all records and removes what nothing needs: snapshots, blobs, mutable trees of a crashed daemon.
  absl::Status Recover();

  absl::StatusOr<MutablePtr> New(const CancelToken& cancel, const FetchContext& fetch, const ImmutablePtr& parent, const NewOptions& options) override;
  absl::StatusOr<ImmutablePtr> Get(const CancelToken& cancel, const std::string& id) override;
  absl::StatusOr<MutablePtr> GetMutable(const CancelToken& cancel, const std::string& id) override;
  std::vector<std::string> FindMutable(const std::string& index) override;
  std::vector<std::string> FindMutableBelow(const std::string& index) override;
  std::vector<std::string> FindCommitted(const std::string& index) override;
  absl::StatusOr<ImmutablePtr> GetByBlob(const CancelToken& cancel, const Descriptor& descriptor, const Digest& diff_id, const ImmutablePtr& parent, BlobFetcher fetch_blob, const NewOptions& options) override;
  absl::StatusOr<ImmutablePtr> Merge(const CancelToken& cancel, const std::vector<ImmutablePtr>& inputs, const NewOptions& options) override;
  absl::StatusOr<ImmutablePtr> Diff(const CancelToken& cancel, const ImmutablePtr& lower, const ImmutablePtr& upper, const NewOptions& options) override;
  absl::StatusOr<std::vector<UsageRecord>> DiskUsage(const CancelToken& cancel, const std::vector<std::string>& filter) override;
  absl::Status Prune(const CancelToken& cancel, const std::vector<PruneOptions>& passes, const std::function<void(const UsageRecord&)>& removed) override;
  void OnRemoved(std::function<void(const std::string& id)> callback) override { on_removed_ = std::move(callback); }

  // Unless a record or a lease keeps it.
  absl::Status RemoveBlob(const Digest& digest);

  // For the refs of this room.
  ImmutablePtr MakeImmutable(const RecordPtr& record);  // one handle more
  void Hold(const RecordPtr& record);
  // `drop`: the record goes with its last handle.
  void Release(const RecordPtr& record, bool drop);
  // Makes a mutable record's tree immutable: the record itself, or a view of it if it is retained.
  absl::StatusOr<ImmutablePtr> Commit(const RecordPtr& record);
  // Ends the pair of a view and its mutable tree before something is built on the view.
  absl::Status Finalize(const RecordPtr& record);
  // Whose content hashes those of `record` are.
  std::string HashOwner(const RecordPtr& record);
  HashStore& hashes() { return hashes_; }
  absl::Status SetIndex(const RecordPtr& record, const std::string& index);
  void DeleteValue(const RecordPtr& record, const std::string& key);  // does not wait for its commit
  absl::Status SaveValue(const RecordPtr& record, const std::string& key, const std::string& value);
  std::string Value(const RecordPtr& record, const std::string& key);
  // Makes the snapshots of a lazy chain: blobs come in parallel, some of their trees grow at the same time, and they are kept
  // lowest first. Tells the lowest failure; what is below it stays.
  absl::Status Extract(const CancelToken& cancel, const FetchContext& fetch, const RecordPtr& record);
  std::vector<RecordPtr> Chain(const RecordPtr& record) const;        // lowest first
  snapshotter::Parents SnapshotChain(const RecordPtr& record) const;  // nearest first; null: none
  absl::StatusOr<std::vector<Layer>> MakeLayers(const CancelToken& cancel, const FetchContext& fetch, std::span<const RecordPtr> chain, const CompressionChoice& compression, bool create);
  absl::StatusOr<int64_t> Measure(const RecordPtr& record);
  snapshotter::Driver& driver() { return *driver_; }

 private:
  using Records = std::unordered_map<std::string, RecordPtr>;
  struct Table {
    Records by_id;
    std::map<std::pair<const Record*, Digest>, RecordPtr> layers;  // by parent and blob
    std::map<Digest, int> blobs;                                   // how many records and variants name it
  };
  // What was taken out of the table; to be removed from the database, then from the disk.
  struct Removal {
    std::vector<RecordPtr> records;
    std::vector<snapshotter::SnapshotId> snapshots;
    std::set<Digest> blobs;
  };
  // Two chains of snapshots, nearest first; the lower one may be empty.
  struct TreePair {
    snapshotter::Parents lower, upper;
    bool is_parent = false;  // `upper` is one snapshot on top of `lower`
  };
  // Notes in the table who needs a blob that was just committed.
  using BlobClaim = std::function<void(Table&, const Descriptor&)>;

  // Under the table's lock:
  static void Insert(Table& table, const RecordPtr& record);
  static void AddBlob(Table& table, const RecordPtr& record);
  static bool Detach(Table& table, const RecordPtr& record, Removal& removal);
  static void Take(Table& table, const RecordPtr& record, bool keep_snapshot, Removal& removal);
  static RecordPtr Find(const Table& table, const std::string& id);
  static UsageRecord Usage(const Record& record);
  static bool IsDuplicate(const Table& table, const Record& record);
  meta::Statement InsertStatement(const Record& record) const;
  std::vector<std::string> FindIndexed(RecordState state, const std::function<bool(const std::string&)>& matches);

  // recover.cc
  absl::Status LoadRecords(Records& records);
  static std::set<RecordPtr> FindDoomed(const Records& records, const std::set<Digest>& blobs, const std::set<snapshotter::SnapshotId>& snapshots);
  static void MendTwins(const Records& records);
  absl::StatusOr<std::set<snapshotter::SnapshotId>> ListSnapshots() const;
  absl::Status SweepSnapshots(const std::set<snapshotter::SnapshotId>& present);
  // Removes blobs that neither records nor leases hold and that are at least that old.
  absl::Status SweepContent(int64_t min_age_seconds);

  absl::Status SaveRow(const RecordPtr& record);
  ImmutablePtr Adopt(RecordPtr record);  // takes over a handle
  absl::Status Remove(const Removal& removal);
  // extract.cc
  struct Fetching;
  absl::Status FetchOne(const CancelToken& cancel, const FetchContext& fetch, const RecordPtr& record, Fetching& fetching);
  struct Extraction;
  struct ExtractionStep;
  absl::Status ExtractOne(const CancelToken& cancel, const FetchContext& fetch, Extraction& all, ExtractionStep& step);
  // A new snapshot of the blob, from the store or (unless null) as it arrives, once those below are kept; on failure nothing
  // is left of it.
  absl::StatusOr<snapshotter::SnapshotId> UnpackNew(const CancelToken& cancel, Extraction& all, ExtractionStep& step, content::Arrival* arrival);
  absl::Status Unpack(const CancelToken& cancel, Extraction& all, ExtractionStep& step, snapshotter::SnapshotId snapshot, content::Arrival* arrival);
  absl::Status SettleRoot(ExtractionStep& step, snapshotter::SnapshotId snapshot);
  absl::Status KeepSnapshot(const RecordPtr& record, snapshotter::SnapshotId snapshot);
  absl::StatusOr<Layer> MakeLayer(const CancelToken& cancel, const FetchContext& fetch, const RecordPtr& record, const CompressionChoice& compression, bool create);
  absl::Status MakeBlob(const CancelToken& cancel, const RecordPtr& record, const CompressionChoice& compression);
  absl::Status MakeVariant(const CancelToken& cancel, const FetchContext& fetch, const RecordPtr& record, const CompressionChoice& compression, Layer& layer);
  absl::StatusOr<Descriptor> WriteTree(const CancelToken& cancel, const TreePair& trees, const CompressionChoice& compression, Digest& diff_id, const BlobClaim& claim);
  absl::StatusOr<Descriptor> Recompress(const CancelToken& cancel, const Descriptor& blob, const CompressionChoice& compression, const BlobClaim& claim);
  absl::StatusOr<Descriptor> CommitBlob(content::Ingest& ingest, const char* media_type, const BlobClaim& claim);
  absl::Status PrunePass(const CancelToken& cancel, const PruneOptions& options, const std::function<void(const UsageRecord&)>& removed);
  std::vector<RecordPtr> Victims(const Filter& filter, const PruneOptions& options);

  meta::Database* const db_;
  content::ContentStore* const content_;
  lease::Leases* const leases_;
  snapshotter::Driver* const driver_;
  const std::string root_;
  HashStore hashes_;
  Guarded<Table> table_;
  std::mutex blob_gate_;  // a blob's commit with its record's claim, against its removal; taken before the table's lock
  std::atomic<int64_t> next_snapshot_{1};
  std::function<void(const std::string&)> on_removed_;
};

}  // namespace bk::cache
