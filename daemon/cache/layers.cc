// Blobs of records: made from snapshots when an exporter asks, unpacked into snapshots when a mount needs them.
#include <sys/stat.h>

#include "base/os/file.h"
#include "daemon/cache/manager.h"
#include "daemon/cache/refs.h"
#include "snapshotter/diff/apply.h"
#include "snapshotter/diff/changes.h"
#include "snapshotter/diff/compress.h"

namespace bk::cache {
namespace {

const char* MediaType(Compression type) {
  switch (type) {
    case Compression::kUncompressed: return media_type::kOciLayer;
    case Compression::kZstd: return media_type::kOciLayerZstd;
    default: return media_type::kOciLayerGzip;
  }
}

Compression TypeOf(const std::string& media_type) {
  if (media_type.ends_with("zstd")) return Compression::kZstd;
  if (media_type.ends_with("gzip")) return Compression::kGzip;
  return Compression::kUncompressed;
}

std::string VariantKey(const CompressionChoice& compression) { return StrCat("variant.", static_cast<int>(compression.type)); }

// Hashes what a decoder gives, on its way to the extractor.
class HashingSource : public diff::ByteSource {
 public:
  explicit HashingSource(diff::ByteSource& source) : source_(source) {}
  absl::StatusOr<size_t> Read(char* buffer, size_t size) override {
    BK_TRY(size_t n, source_.Read(buffer, size));
    hasher_.Update({buffer, n});
    return n;
  }
  absl::StatusOr<Digest> Finish() {
    char rest[65536];
    while (true) {  // padding behind the archive's end counts
      BK_TRY(size_t n, Read(rest, sizeof rest));
      if (n == 0) return hasher_.FinishDigest();
    }
  }

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
  // Blobs come in parallel, trees grow one on another.
  std::vector<absl::Status> fetched(lazy.size());
  TaskGroup tasks;
  CancelSource stop(cancel);
  for (size_t i = 0; i < lazy.size(); i++) {
    if (content_->Has(lazy[i]->blob.digest) || lazy[i]->fetch == nullptr) continue;
    tasks.Run([&, i] {
      fetched[i] = lazy[i]->fetch(stop.token(), fetch, lazy[i]->blob);
      if (!fetched[i].ok()) stop.Cancel(fetched[i]);
    });
  }
  tasks.Wait();
  BK_RETURN_IF_ERROR(stop.token().Check());
  for (const RecordPtr& link : lazy) BK_RETURN_IF_ERROR(ExtractOne(cancel, fetch, link));
  return absl::OkStatus();
}

absl::Status Manager::ExtractOne(const CancelToken& cancel, const FetchContext& fetch, const RecordPtr& record) {
  std::lock_guard one(*record->work);
  if (record->state != RecordState::kLazy) return absl::OkStatus();
  auto task = fetch.progress.Start(StrCat("extracting ", record->blob.digest.str()));
  snapshotter::SnapshotId snapshot = next_snapshot_++;
  snapshotter::Parents parents = record->parent == nullptr ? snapshotter::Parents() : SnapshotChain(record->parent);
  auto apply = [&]() -> absl::Status {
    BK_RETURN_IF_ERROR(driver_->Prepare(cancel, snapshot, parents));
    BK_TRY(os::UniqueFd fd, content_->OpenBlob(record->blob.digest));
    diff::FdSource file(fd.get());
    BK_TRY(auto decoder, diff::MakeDecoder(file));
    HashingSource hashing(*decoder);
    diff::ApplyTarget target;
    target.overlay = driver_->IsOverlay();
    target.xattr_prefix = driver_->XattrPrefix();
    target.user_namespace = target.xattr_prefix == "user.";
    target.dir = target.overlay ? driver_->UpperDir(snapshot) : driver_->WritableMounts(snapshot, parents)[0].source;
    for (snapshotter::SnapshotId id : parents) {
      if (target.overlay) target.lower_dirs.push_back(driver_->UpperDir(id));
    }
    BK_RETURN_IF_ERROR(diff::ApplyLayer(cancel, hashing, target).status());
    BK_TRY(Digest diff_id, hashing.Finish());
    if (!record->diff_id.empty() && diff_id != record->diff_id) {
      return DataLoss("layer ", record->blob.digest.str(), " unpacks to ", diff_id.str(), ", the image says ", record->diff_id.str());
    }
    return absl::OkStatus();
  };
  if (absl::Status status = apply(); !status.ok()) {
    driver_->Remove(snapshot).IgnoreError();
    return Annotate(status, StrCat("failed to extract layer ", record->blob.digest.str()));
  }
  record->snapshot = snapshot;
  record->state = RecordState::kCommitted;
  return Save(record);
}

absl::StatusOr<Descriptor> Manager::WriteBlob(const CancelToken& cancel, const RecordPtr& record, const CompressionChoice& compression, Digest& diff_id) {
  snapshotter::Parents upper_chain = SnapshotChain(record), lower_chain;
  if (record->parent != nullptr) lower_chain = SnapshotChain(record->parent);
  BK_TRY(os::TempMount upper, os::TempMount::Make(driver_->ReadOnlyMounts(upper_chain)));
  os::TempMount lower;
  if (!lower_chain.empty()) BK_ASSIGN(lower, os::TempMount::Make(driver_->ReadOnlyMounts(lower_chain)));
  BK_TRY(content::Ingest ingest, content_->NewIngest());
  BK_TRY(auto encoder, diff::MakeEncoder(compression, [&](std::string_view bytes) { return ingest.Write(bytes); }));
  Sha256 plain;
  diff::DiffRequest request{lower.path(), upper.path(), driver_->IsOverlay() ? driver_->UpperDir(record->snapshot) : ""};
  BK_RETURN_IF_ERROR(diff::WriteLayer(cancel, request, [&](std::string_view bytes) {
    plain.Update(bytes);
    return encoder->Write(bytes);
  }));
  BK_RETURN_IF_ERROR(encoder->Finish());
  diff_id = plain.FinishDigest();
  Descriptor blob;
  blob.media_type = MediaType(compression.type);
  blob.size = ingest.size_bytes();
  BK_ASSIGN(blob.digest, ingest.Commit({}, -1));
  return blob;
}

absl::StatusOr<Descriptor> Manager::Recompress(const CancelToken& cancel, const Descriptor& blob, const CompressionChoice& compression) {
  BK_TRY(os::UniqueFd fd, content_->OpenBlob(blob.digest));
  diff::FdSource file(fd.get());
  BK_TRY(auto decoder, diff::MakeDecoder(file));
  BK_TRY(content::Ingest ingest, content_->NewIngest());
  BK_TRY(auto encoder, diff::MakeEncoder(compression, [&](std::string_view bytes) { return ingest.Write(bytes); }));
  std::string buffer(256 << 10, '\0');
  while (true) {
    BK_RETURN_IF_ERROR(cancel.Check());
    BK_TRY(size_t n, decoder->Read(buffer.data(), buffer.size()));
    if (n == 0) break;
    BK_RETURN_IF_ERROR(encoder->Write({buffer.data(), n}));
  }
  BK_RETURN_IF_ERROR(encoder->Finish());
  Descriptor out;
  out.media_type = MediaType(compression.type);
  out.size = ingest.size_bytes();
  BK_ASSIGN(out.digest, ingest.Commit({}, -1));
  return out;
}

absl::StatusOr<Layer> Manager::MakeLayer(const CancelToken& cancel, const FetchContext& fetch, const RecordPtr& record, const CompressionChoice& compression, bool create) {
  std::lock_guard one(*record->work);
  if (record->blob.digest.empty()) {
    if (!create) return NotFound("cache record ", record->id, " has no blob");
    Digest diff_id;
    BK_TRY(Descriptor blob, WriteBlob(cancel, record, compression, diff_id));
    record->blob = blob;
    record->diff_id = diff_id;
    record->chain_id = record->parent == nullptr ? diff_id : DigestOf(StrCat(record->parent->chain_id.str(), " ", diff_id.str()));
    BK_RETURN_IF_ERROR(Save(record));
  }
  Layer layer{record->blob, record->diff_id, record->created_ns, record->description, nullptr};
  bool stored = content_->Has(record->blob.digest);
  if (!stored) layer.fetch = record->fetch;
  if (!compression.force || TypeOf(record->blob.media_type) == compression.type) return layer;
  std::string key = VariantKey(compression);
  std::string known = Value(record, key);
  if (auto digest = Digest::Parse(known); digest.ok() && content_->Has(*digest)) {
    layer.descriptor = {MediaType(compression.type), *digest, *content_->Size(*digest), {}, {}, ""};
    return layer;
  }
  if (!stored && layer.fetch != nullptr) BK_RETURN_IF_ERROR(layer.fetch(cancel, fetch, record->blob));
  BK_ASSIGN(layer.descriptor, Recompress(cancel, record->blob, compression));
  layer.fetch = nullptr;
  BK_RETURN_IF_ERROR(SaveValue(record, key, layer.descriptor.digest.str()));
  return layer;
}

absl::StatusOr<ImmutablePtr> Manager::Diff(const CancelToken& cancel, const ImmutablePtr& lower, const ImmutablePtr& upper, const NewOptions& options) {
  if (upper == nullptr) return ImmutablePtr();
  RecordPtr below = RecordOf(lower), above = RecordOf(upper);
  std::vector<RecordPtr> chain = Chain(above);
  // Of an ancestor: the layers between, as they are.
  for (size_t i = 0; below == nullptr ? i == 0 : i < chain.size(); i++) {
    size_t first = below == nullptr ? 0 : i + 1;
    if (below != nullptr && chain[i] != below) continue;
    ImmutablePtr result;
    for (size_t k = first; k < chain.size(); k++) {
      BK_TRY(Layer layer, MakeLayer(cancel, {}, chain[k], {}, true));
      BK_ASSIGN(result, GetByBlob(cancel, layer.descriptor, layer.diff_id, result, layer.fetch, options));
    }
    return result;
  }
  BK_RETURN_IF_ERROR(Extract(cancel, {}, above));
  BK_RETURN_IF_ERROR(Extract(cancel, {}, below));
  BK_TRY(os::TempMount from, os::TempMount::Make(driver_->ReadOnlyMounts(SnapshotChain(below))));
  BK_TRY(os::TempMount to, os::TempMount::Make(driver_->ReadOnlyMounts(SnapshotChain(above))));
  BK_TRY(content::Ingest ingest, content_->NewIngest());
  BK_RETURN_IF_ERROR(diff::WriteLayer(cancel, {from.path(), to.path(), ""}, [&](std::string_view bytes) { return ingest.Write(bytes); }));
  Descriptor blob;
  blob.media_type = media_type::kOciLayer;
  blob.size = ingest.size_bytes();
  BK_ASSIGN(blob.digest, ingest.Commit({}, -1));
  return GetByBlob(cancel, blob, blob.digest, nullptr, nullptr, options);
}

}  // namespace bk::cache
