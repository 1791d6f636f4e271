// From blobs to snapshots: what was only promised is fetched and unpacked when a mount or a child needs it.
//
// A layer whose turn it is is unpacked while it still comes. That is a try: the snapshot is kept only if the blob turned out
// to be the one that was asked for; else it goes, and a blob that is whole by then is unpacked from the store.
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

// Gives what an arrival has.
class ArrivingSource : public diff::ByteSource {
 public:
  explicit ArrivingSource(content::Arrival& arrival) : arrival_(arrival) {}
  absl::StatusOr<size_t> Read(char* buffer, size_t size) override { return arrival_.Read(buffer, size); }

 private:
  content::Arrival& arrival_;
};

}  // namespace

// One layer on its way into the content store. The permit over its record passes from who fetches to who unpacks meanwhile.
struct Manager::Fetching {
  struct State {
    std::optional<absl::Status> done;
    bool claimed = false;  // somebody unpacks it as it comes
    Permit turn;
  };
  const std::shared_ptr<content::Arrival> arrival = std::make_shared<content::Arrival>();
  Guarded<State> state;

  void Finish(const absl::Status& status) {
    arrival->Close();
    Permit turn;  // ends outside the lock
    bool claimed = state.Change([&](State& s) {
      s.done = status;
      if (!s.claimed) std::swap(turn, s.turn);
      return s.claimed;
    });
    if (!claimed) arrival->Drop();
  }
  // Waits for the first bytes. False: there is nothing to be read along.
  bool Claim() {
    return arrival->Await() && state.With([](State& s) { return s.claimed = !s.done.has_value(); });
  }
  // The end of the fetching; `turn` is the claimer's from here on.
  absl::Status Wait(Permit& turn) {
    return state.WaitThen([](State& s) { return s.done.has_value(); }, [&](State& s) { return std::swap(turn, s.turn), *s.done; });
  }
};

absl::Status Manager::Extract(const CancelToken& cancel, const FetchContext& fetch, const RecordPtr& record) {
  std::vector<RecordPtr> lazy;
  for (const RecordPtr& link : Chain(record)) {
    if (link->state == RecordState::kLazy) lazy.push_back(link);
  }
  if (lazy.empty()) return absl::OkStatus();
  std::vector<Fetching> fetching(lazy.size());
  CancelSource stop(cancel);
  TaskGroup tasks;
  for (size_t i = 0; i < lazy.size(); i++) {
    tasks.Run([&, i] { fetching[i].Finish(FetchOne(stop.token(), fetch, lazy[i], fetching[i])); });
  }
  absl::Status status;
  for (size_t i = 0; status.ok() && i < lazy.size(); i++) status = ExtractOne(cancel, fetch, lazy[i], fetching[i]);
  if (!status.ok()) stop.Cancel(status);
  tasks.Wait();
  return status;
}

absl::Status Manager::FetchOne(const CancelToken& cancel, const FetchContext& fetch, const RecordPtr& record, Fetching& fetching) {
  BK_TRY(Permit turn, record->work.Acquire(cancel));
  if (record->state != RecordState::kLazy || content_->Has(record->blob.digest)) return absl::OkStatus();
  BlobFetcher fetcher = table_.With([&](Table&) { return record->fetch; });
  if (fetcher == nullptr) return NotFound("layer ", record->blob.digest.str(), " is neither stored nor known where to be had");
  fetching.state.With([&](Fetching::State& s) { s.turn = std::move(turn); });
  FetchContext own = fetch;
  own.arrival = fetching.arrival;
  return fetcher(cancel, own, record->blob);
}

absl::Status Manager::ExtractOne(const CancelToken& cancel, const FetchContext& fetch, const RecordPtr& record, Fetching& fetching) {
  const char* kind = record->merged ? "merging" : "extracting";
  std::optional<solver::VertexProgress::Task> task;
  auto tell = [&] {
    if (!task) task.emplace(fetch.progress.Start(record->merged ? kind : StrCat(kind, " ", record->blob.digest.str()), kind));
  };
  absl::StatusOr<snapshotter::SnapshotId> snapshot = Error(absl::StatusCode::kAborted, "not tried");
  bool claimed = fetching.Claim();
  if (claimed) {
    tell();
    snapshot = UnpackNew(cancel, record, fetching.arrival.get());
    fetching.arrival->Drop();
  }
  Permit turn;
  if (absl::Status fetched = fetching.Wait(turn); !fetched.ok()) {
    if (snapshot.ok()) driver_->Remove(*snapshot).IgnoreError();
    return fetched;
  }
  if (!claimed) {
    BK_ASSIGN(turn, record->work.Acquire(cancel));
    if (record->state != RecordState::kLazy) return absl::OkStatus();
  }
  tell();
  if (!snapshot.ok()) snapshot = UnpackNew(cancel, record, nullptr);
  absl::Status status = snapshot.ok() ? KeepSnapshot(record, *snapshot) : snapshot.status();
  return Annotate(status, StrCat("failed to extract layer ", record->blob.digest.str()));
}

absl::Status Manager::KeepSnapshot(const RecordPtr& record, snapshotter::SnapshotId snapshot) {
  absl::Status status = db_->Run("UPDATE records SET snapshot=?, state=?, size=-1 WHERE id=?", {snapshot, static_cast<int64_t>(RecordState::kCommitted), record->id});
  if (!status.ok()) {
    driver_->Remove(snapshot).IgnoreError();
    return status;
  }
  table_.With([&](Table&) {
    record->snapshot = snapshot;
    record->size_bytes = -1;
    record->state = RecordState::kCommitted;
  });
  return absl::OkStatus();
}

absl::StatusOr<snapshotter::SnapshotId> Manager::UnpackNew(const CancelToken& cancel, const RecordPtr& record, content::Arrival* arrival) {
  snapshotter::SnapshotId snapshot = next_snapshot_++;
  absl::Status status = Unpack(cancel, record, snapshot, arrival);
  if (status.ok()) return snapshot;
  driver_->Remove(snapshot).IgnoreError();
  return status;
}

absl::Status Manager::Unpack(const CancelToken& cancel, const RecordPtr& record, snapshotter::SnapshotId snapshot, content::Arrival* arrival) {
  snapshotter::Parents parents = SnapshotChain(record->parent);
  BK_RETURN_IF_ERROR(driver_->Prepare(cancel, snapshot, parents));
  os::UniqueFd fd;
  std::unique_ptr<diff::ByteSource> blob;
  if (arrival != nullptr) {
    blob = std::make_unique<ArrivingSource>(*arrival);
  } else {
    BK_ASSIGN(fd, content_->OpenBlob(record->blob.digest));
    blob = std::make_unique<diff::FdSource>(fd.get());
  }
  BK_TRY(auto decoder, diff::MakeDecoder(*blob));
  HashingSource hashing(*decoder);
  diff::ApplyTarget target = ApplyTargetOf(*driver_, snapshot, parents);
  target.only_needed_whiteouts = true;
  diff::ReadAhead ahead(hashing);
  absl::Status status = diff::ApplyLayer(cancel, ahead, target).status();
  if (status.ok()) status = ahead.Finish();  // padding behind the archive's end counts
  // Whoever reads ahead may be waiting for bytes.
  if (!status.ok() && arrival != nullptr) arrival->Abandon();
  BK_RETURN_IF_ERROR(status);
  Digest diff_id = hashing.Finish();
  if (!record->diff_id.empty() && diff_id != record->diff_id) {
    return DataLoss("layer ", record->blob.digest.str(), " unpacks to ", diff_id.str(), ", the image says ", record->diff_id.str());
  }
  return absl::OkStatus();
}

}  // namespace bk::cache
