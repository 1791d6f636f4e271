// From blobs to snapshots: what was only promised is fetched and unpacked when a mount or a child needs it.
#include "daemon/cache/apply_target.h"
#include "daemon/cache/manager.h"
#include "snapshotter/diff/apply.h"
#include "snapshotter/diff/compress.h"
#include "snapshotter/diff/read_ahead.h"

namespace bk::cache {
namespace {

// Hashes what a decoder gives, on its way to the extractor.
class HashingSource : public diff::ByteSource {
 public:
  explicit HashingSource(diff::ByteSource& source) : source_(source) {}
  absl::StatusOr<size_t> Read(char* buffer, size_t size) override {
    BK_TRY(size_t n, source_.Read(buffer, size));
    hasher_.Update({buffer, n});
    return n;
  }
  Digest Finish() { return hasher_.FinishDigest(); }

 private:
  diff::ByteSource& source_;
  Sha256 hasher_;
};

}  // namespace

absl::Status Manager::Extract(const CancelToken& cancel, const FetchContext& fetch, const RecordPtr& record) {
  std::vector<RecordPtr> lazy;
  for (const RecordPtr& link : Chain(record)) {
    if (link->state == RecordState::kLazy) lazy.push_back(link);
  }
  if (lazy.empty()) return absl::OkStatus();
  std::vector<std::optional<absl::Status>> fetched(lazy.size());
  Guarded<int> arrived;  // guards `fetched`
  CancelSource stop(cancel);
  TaskGroup tasks;
  for (size_t i = 0; i < lazy.size(); i++) {
    tasks.Run([&, i] {
      absl::Status status = FetchOne(stop.token(), fetch, lazy[i]);
      arrived.Change([&](int&) { fetched[i] = status; });
    });
  }
  absl::Status status;
  for (size_t i = 0; status.ok() && i < lazy.size(); i++) {
    status = arrived.WaitThen([&](int&) { return fetched[i].has_value(); }, [&](int&) { return *fetched[i]; });
    if (status.ok()) status = ExtractOne(cancel, fetch, lazy[i]);
  }
  if (!status.ok()) stop.Cancel(status);
  tasks.Wait();
  return status;
}

absl::Status Manager::FetchOne(const CancelToken& cancel, const FetchContext& fetch, const RecordPtr& record) {
  BK_TRY(Permit turn, record->work.Acquire(cancel));
  if (record->state != RecordState::kLazy || content_->Has(record->blob.digest)) return absl::OkStatus();
  BlobFetcher fetcher = table_.With([&](Table&) { return record->fetch; });
  if (fetcher == nullptr) return NotFound("layer ", record->blob.digest.str(), " is neither stored nor known where to be had");
  return fetcher(cancel, fetch, record->blob);
}

absl::Status Manager::ExtractOne(const CancelToken& cancel, const FetchContext& fetch, const RecordPtr& record) {
  BK_TRY(Permit turn, record->work.Acquire(cancel));
  if (record->state != RecordState::kLazy) return absl::OkStatus();
  const char* kind = record->merged ? "merging" : "extracting";
  auto task = fetch.progress.Start(record->merged ? kind : StrCat(kind, " ", record->blob.digest.str()), kind);
  snapshotter::SnapshotId snapshot = next_snapshot_++;
  absl::Status status = Unpack(cancel, record, snapshot, SnapshotChain(record->parent));
  if (status.ok()) status = db_->Run("UPDATE records SET snapshot=?, state=?, size=-1 WHERE id=?", {snapshot, static_cast<int64_t>(RecordState::kCommitted), record->id});
  if (!status.ok()) {
    driver_->Remove(snapshot).IgnoreError();
    return Annotate(status, StrCat("failed to extract layer ", record->blob.digest.str()));
  }
  table_.With([&](Table&) {
    record->snapshot = snapshot;
    record->size_bytes = -1;
    record->state = RecordState::kCommitted;
  });
  return absl::OkStatus();
}

absl::Status Manager::Unpack(const CancelToken& cancel, const RecordPtr& record, snapshotter::SnapshotId snapshot, const snapshotter::Parents& parents) {
  BK_RETURN_IF_ERROR(driver_->Prepare(cancel, snapshot, parents));
  BK_TRY(os::UniqueFd fd, content_->OpenBlob(record->blob.digest));
  diff::FdSource file(fd.get());
  BK_TRY(auto decoder, diff::MakeDecoder(file));
  HashingSource hashing(*decoder);
  diff::ApplyTarget target = ApplyTargetOf(*driver_, snapshot, parents);
  target.only_needed_whiteouts = true;
  diff::ReadAhead ahead(hashing);
  BK_RETURN_IF_ERROR(diff::ApplyLayer(cancel, ahead, target).status());
  BK_RETURN_IF_ERROR(ahead.Finish());  // padding behind the archive's end counts
  Digest diff_id = hashing.Finish();
  if (!record->diff_id.empty() && diff_id != record->diff_id) {
    return DataLoss("layer ", record->blob.digest.str(), " unpacks to ", diff_id.str(), ", the image says ", record->diff_id.str());
  }
  return absl::OkStatus();
}

}  // namespace bk::cache
