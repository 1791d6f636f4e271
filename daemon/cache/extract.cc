// From blobs to snapshots: what was only promised is fetched and unpacked when a mount or a child needs it.
//
// Several layers of a chain are unpacked at the same time, each into its own tree; one waits for those below only where an
// entry needs them (ApplyTarget::await_lower) and before it is kept, so what is kept always stands on kept layers.
// A layer is unpacked while it still comes. That is a try: the snapshot is kept only if the blob turned out to be the one
// that was asked for; else it goes, and a blob that is whole by then is unpacked from the store.
#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <atomic>
#include <deque>
#include <thread>

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

constexpr unsigned kMostTogether = 4;
// Of a root that nothing was put into yet: such a one gets the times of the root below.
constexpr timespec kUntouched = {1, 0};

absl::Status MarkRoot(const std::string& root) {
  timespec times[2] = {kUntouched, kUntouched};
  return utimensat(AT_FDCWD, root.c_str(), times, 0) < 0 ? ErrnoError(errno, StrCat("set times of ", root)) : absl::OkStatus();
}

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

struct Manager::ExtractionStep {
  ExtractionStep(const CancelToken& cancel, RecordPtr lazy) : stop(cancel), record(std::move(lazy)) {}
  CancelSource stop;
  const RecordPtr record;
  Fetching fetching;
  Guarded<std::optional<absl::Status>> ended;
  ExtractionStep* below = nullptr;
};

// The lazy layers of one chain, lowest first. Steps are begun in this order, so whoever waits for a lower one waits for one
// that is under way or over.
struct Manager::Extraction {
  std::deque<ExtractionStep> steps;
  snapshotter::Parents base;  // what the lowest stands on, nearest first
  std::atomic<size_t> next{0};

  // Those above a failed one have no more use. Cancelled first: they are not to try anything else when they see the failure.
  void End(size_t index, const absl::Status& status) {
    for (size_t i = index + 1; !status.ok() && i < steps.size(); i++) steps[i].stop.Cancel(status);
    steps[index].ended.Change([&](auto& ended) { ended = status; });
  }
  static absl::Status AwaitBelow(ExtractionStep& step) {
    if (step.below == nullptr) return absl::OkStatus();
    return step.below->ended.WaitThen([](auto& ended) { return ended.has_value(); }, [](auto& ended) { return *ended; });
  }
};

absl::Status Manager::Extract(const CancelToken& cancel, const FetchContext& fetch, const RecordPtr& record) {
  Extraction all;
  for (const RecordPtr& link : Chain(record)) {
    if (link->state != RecordState::kLazy) continue;
    ExtractionStep* below = all.steps.empty() ? nullptr : &all.steps.back();
    all.steps.emplace_back(cancel, link).below = below;
  }
  if (all.steps.empty()) return absl::OkStatus();
  all.base = SnapshotChain(all.steps.front().record->parent);
  TaskGroup tasks;
  for (ExtractionStep& step : all.steps) {
    tasks.Run([&] { step.fetching.Finish(FetchOne(step.stop.token(), fetch, step.record, step.fetching)); });
  }
  // Each has buffers and a decoder's window, so there are few of them. Copies of whole trees are made one after another.
  size_t together = driver_->IsOverlay() ? std::clamp(std::thread::hardware_concurrency(), 2u, kMostTogether) : 1;
  for (size_t i = 0; i < std::min(together, all.steps.size()); i++) {
    tasks.Run([&] {
      for (size_t at; (at = all.next++) < all.steps.size();) {
        ExtractionStep& step = all.steps[at];
        absl::Status status = step.stop.token().Check();
        if (status.ok()) status = ExtractOne(step.stop.token(), fetch, all, step);
        all.End(at, status);
      }
    });
  }
  tasks.Wait();
  // The lowest failure is told: those above may only follow from it.
  for (ExtractionStep& step : all.steps) BK_RETURN_IF_ERROR(Extraction::AwaitBelow(step));
  return all.steps.back().ended.With([](auto& ended) { return *ended; });
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

absl::Status Manager::ExtractOne(const CancelToken& cancel, const FetchContext& fetch, Extraction& all, ExtractionStep& step) {
  const RecordPtr& record = step.record;
  Fetching& fetching = step.fetching;
  const char* kind = record->merged ? "merging" : "extracting";
  std::optional<solver::VertexProgress::Task> task;
  auto tell = [&] {
    if (!task) task.emplace(fetch.progress.Start(record->merged ? kind : StrCat(kind, " ", record->blob.digest.str()), kind));
  };
  absl::StatusOr<snapshotter::SnapshotId> snapshot = Error(absl::StatusCode::kAborted, "not tried");
  bool claimed = fetching.Claim();
  if (claimed) {
    tell();
    snapshot = UnpackNew(cancel, all, step, fetching.arrival.get());
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
  if (!snapshot.ok()) snapshot = UnpackNew(cancel, all, step, nullptr);
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

absl::StatusOr<snapshotter::SnapshotId> Manager::UnpackNew(const CancelToken& cancel, Extraction& all, ExtractionStep& step, content::Arrival* arrival) {
  BK_RETURN_IF_ERROR(cancel.Check());
  snapshotter::SnapshotId snapshot = next_snapshot_++;
  absl::Status status = Unpack(cancel, all, step, snapshot, arrival);
  if (status.ok()) status = SettleRoot(step, snapshot);
  if (status.ok()) return snapshot;
  driver_->Remove(snapshot).IgnoreError();
  return status;
}

absl::Status Manager::Unpack(const CancelToken& cancel, Extraction& all, ExtractionStep& step, snapshotter::SnapshotId snapshot, content::Arrival* arrival) {
  const RecordPtr& record = step.record;
  if (!driver_->IsOverlay()) BK_RETURN_IF_ERROR(Extraction::AwaitBelow(step));
  // No layer gives the root of a tree another owner or mode, so the base has them even while the layers between are missing.
  snapshotter::Parents parents = driver_->IsOverlay() ? all.base : SnapshotChain(record->parent);
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
  if (driver_->IsOverlay() && step.below != nullptr) {
    BK_RETURN_IF_ERROR(MarkRoot(target.dir));
    target.overlay = true;
    target.await_lower = [&]() -> absl::Status {
      BK_RETURN_IF_ERROR(Extraction::AwaitBelow(step));
      target.lower_dirs = ApplyTargetOf(*driver_, snapshot, SnapshotChain(record->parent)).lower_dirs;
      return absl::OkStatus();
    };
  }
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

absl::Status Manager::SettleRoot(ExtractionStep& step, snapshotter::SnapshotId snapshot) {
  BK_RETURN_IF_ERROR(Extraction::AwaitBelow(step));
  if (!driver_->IsOverlay() || step.below == nullptr) return absl::OkStatus();
  std::string root = driver_->UpperDir(snapshot), below = driver_->UpperDir(SnapshotChain(step.record->parent).front());
  struct stat own, parent;
  if (stat(root.c_str(), &own) < 0) return ErrnoError(errno, StrCat("stat ", root));
  if (own.st_mtim.tv_sec != kUntouched.tv_sec || own.st_mtim.tv_nsec != kUntouched.tv_nsec) return absl::OkStatus();
  if (stat(below.c_str(), &parent) < 0) return ErrnoError(errno, StrCat("stat ", below));
  timespec times[2] = {parent.st_atim, parent.st_mtim};
  if (utimensat(AT_FDCWD, root.c_str(), times, 0) < 0) return ErrnoError(errno, StrCat("set times of ", root));
  return absl::OkStatus();
}

}  // namespace bk::cache
