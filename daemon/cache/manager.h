// CacheManager over one database, one driver and one content store. Internal to daemon/cache; see store.h.
#pragma once

#include <atomic>
#include <set>
#include <unordered_map>

#include "base/filter.h"
#include "base/guarded.h"
#include "base/task_group.h"
#include "daemon/cache/hash_store.h"
#include "daemon/cache/record.h"
#include "daemon/cache/store.h"
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
  absl::StatusOr<ImmutablePtr> GetByBlob(const CancelToken& cancel, const Descriptor& descriptor, const Digest& diff_id, const ImmutablePtr& parent, BlobFetcher fetch_blob, const NewOptions& options) override;
  absl::StatusOr<ImmutablePtr> Merge(const CancelToken& cancel, const std::vector<ImmutablePtr>& inputs, const NewOptions& options) override;
  absl::StatusOr<ImmutablePtr> Diff(const CancelToken& cancel, const ImmutablePtr& lower, const ImmutablePtr& upper, const NewOptions& options) override;
  absl::StatusOr<std::vector<UsageRecord>> DiskUsage(const CancelToken& cancel, const std::vector<std::string>& filter) override;
  absl::Status Prune(const CancelToken& cancel, const std::vector<PruneOptions>& passes, const std::function<void(const UsageRecord&)>& removed) override;
  void OnRemoved(std::function<void(const std::string& id)> callback) override { on_removed_ = std::move(callback); }

  // For the refs of this room.
  ImmutablePtr MakeImmutable(const RecordPtr& record);
  void Hold(const RecordPtr& record);
  void Release(const RecordPtr& record, bool drop);
  meta::Statement SaveStatement(const RecordPtr& record);
  absl::Status Save(const RecordPtr& record);
  // Makes a mutable record's tree immutable: the record itself, or a view of it if it is retained.
  absl::StatusOr<ImmutablePtr> Commit(const RecordPtr& record);
  // Ends the pair of a view and its mutable tree before something is built on the view.
  absl::Status Finalize(const RecordPtr& record);
  // Whose content hashes those of `record` are.
  std::string HashOwner(const RecordPtr& record);
  HashStore& hashes() { return hashes_; }
  absl::Status DeleteValue(const RecordPtr& record, const std::string& key);
  absl::Status SaveValue(const RecordPtr& record, const std::string& key, const std::string& value);
  std::string Value(const RecordPtr& record, const std::string& key);
  // Makes the snapshots of a lazy chain.
  absl::Status Extract(const CancelToken& cancel, const FetchContext& fetch, const RecordPtr& record);
  std::vector<RecordPtr> Chain(const RecordPtr& record) const;  // lowest first
  snapshotter::Parents SnapshotChain(const RecordPtr& record) const;  // nearest first
  absl::StatusOr<Layer> MakeLayer(const CancelToken& cancel, const FetchContext& fetch, const RecordPtr& record, const CompressionChoice& compression, bool create);
  absl::StatusOr<int64_t> Measure(const RecordPtr& record);
  snapshotter::Driver& driver() { return *driver_; }
  const std::string& root() const { return root_; }
  absl::Status RemoveRecord(const RecordPtr& record);

 private:
  using Records = std::unordered_map<std::string, RecordPtr>;
  absl::Status ExtractOne(const CancelToken& cancel, const FetchContext& fetch, const RecordPtr& record);
  absl::StatusOr<Descriptor> WriteBlob(const CancelToken& cancel, const RecordPtr& record, const CompressionChoice& compression, Digest& diff_id);
  absl::StatusOr<Descriptor> Recompress(const CancelToken& cancel, const Descriptor& blob, const CompressionChoice& compression);
  absl::Status LoadRecords(Records& records);
  static std::set<RecordPtr> FindDoomed(const Records& records, const std::set<Digest>& blobs);
  static void MendTwins(const Records& records);
  absl::Status SweepSnapshots(const Records& records);
  // Removes blobs that neither records nor leases hold and that are older than that.
  absl::Status SweepContent(int64_t min_age_seconds);
  RecordPtr Find(const std::string& id);
  // Takes `record` out of the table if nothing uses it; its rows, snapshot and blob are for the caller.
  bool Detach(const RecordPtr& record, bool& blob_used);
  UsageRecord Usage(const Record& record) const;
  absl::Status PrunePass(const CancelToken& cancel, const PruneOptions& options, const std::function<void(const UsageRecord&)>& removed);
  static bool BlobIsUsed(const Records& records, const Digest& digest);
  std::vector<RecordPtr> Victims(const Filter& filter, const PruneOptions& options);

  meta::Database* const db_;
  content::ContentStore* const content_;
  lease::Leases* const leases_;
  snapshotter::Driver* const driver_;
  const std::string root_;
  HashStore hashes_;
  Guarded<Records> records_;
  std::atomic<int64_t> next_snapshot_{1};
  std::function<void(const std::string&)> on_removed_;
};

}  // namespace bk::cache
