// From snapshots to blobs: made when an exporter asks, kept with the record, also in further compressions.
#include "base/os/file.h"
#include "daemon/cache/manager.h"
#include "daemon/cache/refs.h"
#include "snapshotter/diff/changes.h"
#include "snapshotter/diff/compress.h"

namespace bk::cache {
namespace {

Compression TypeOf(const std::string& media_type) {
  if (media_type.ends_with("zstd")) return Compression::kZstd;
  if (media_type.ends_with("gzip")) return Compression::kGzip;
  return Compression::kUncompressed;
}

const char* MediaType(Compression type) {
  switch (type) {
    case Compression::kUncompressed: return media_type::kOciLayer;
    case Compression::kZstd: return media_type::kOciLayerZstd;
    default: return media_type::kOciLayerGzip;
  }
}

std::string VariantKey(Compression type) { return StrCat(kVariantPrefix, static_cast<int>(type)); }

}  // namespace

// The blob of what `upper` shows over `lower`, claimed for `owner` in `claim` before anyone can sweep it.
absl::StatusOr<Descriptor> Manager::WriteTree(const CancelToken& cancel, const TreePair& trees, const CompressionChoice& compression, Digest& diff_id, const BlobClaim& claim) {
  os::TempMount upper, lower;
  os::TempDir nothing;
  if (trees.upper.empty()) BK_ASSIGN(nothing, os::TempDir::Make("bk-empty-"));
  if (!trees.upper.empty()) BK_ASSIGN(upper, os::TempMount::Make(driver_->ReadOnlyMounts(trees.upper)));
  if (!trees.lower.empty()) BK_ASSIGN(lower, os::TempMount::Make(driver_->ReadOnlyMounts(trees.lower)));
  BK_TRY(content::Ingest ingest, content_->NewIngest());
  BK_TRY(auto encoder, diff::MakeEncoder(compression, [&](std::string_view bytes) { return ingest.Write(bytes); }));
  Sha256 plain;
  diff::DiffRequest request{lower.path(), trees.upper.empty() ? nothing.path() : upper.path(), trees.is_parent ? driver_->UpperDir(trees.upper.front()) : ""};
  BK_RETURN_IF_ERROR(diff::WriteLayer(cancel, request, [&](std::string_view bytes) {
    plain.Update(bytes);
    return encoder->Write(bytes);
  }));
  BK_RETURN_IF_ERROR(encoder->Finish());
  diff_id = plain.FinishDigest();
  return CommitBlob(ingest, MediaType(compression.type), claim);
}

absl::StatusOr<Descriptor> Manager::CommitBlob(content::Ingest& ingest, const char* media_type, const BlobClaim& claim) {
  Descriptor blob;
  blob.media_type = media_type;
  blob.size = ingest.size_bytes();
  std::lock_guard gate(blob_gate_);
  BK_ASSIGN(blob.digest, ingest.Commit({}, -1));
  table_.With([&](Table& table) { claim(table, blob); });
  return blob;
}

absl::StatusOr<Descriptor> Manager::Recompress(const CancelToken& cancel, const Descriptor& blob, const CompressionChoice& compression, const BlobClaim& claim) {
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
  return CommitBlob(ingest, MediaType(compression.type), claim);
}

absl::Status Manager::MakeBlob(const CancelToken& cancel, const RecordPtr& record, const CompressionChoice& compression) {
  TreePair trees{SnapshotChain(record->parent), SnapshotChain(record), true};
  Digest diff_id;
  auto claim = [&](Table& table, const Descriptor& blob) {
    record->blob = blob;
    record->diff_id = diff_id;
    record->size_bytes = -1;
    AddBlob(table, record);
  };
  BK_TRY(Descriptor blob, WriteTree(cancel, trees, compression, diff_id, claim));
  return db_->Run("UPDATE records SET media_type=?, blob=?, blob_size=?, diff_id=?, size=-1 WHERE id=?", {blob.media_type, blob.digest.str(), blob.size, diff_id.str(), record->id});
}

absl::Status Manager::MakeVariant(const CancelToken& cancel, const FetchContext& fetch, const RecordPtr& record, const CompressionChoice& compression, Layer& layer) {
  std::string key = VariantKey(compression.type);
  auto kept = table_.With([&](Table&) {
    auto it = record->variants.find(key);
    return it == record->variants.end() ? Digest() : it->second;
  });
  if (auto size = content_->Size(kept); size.ok()) {
    layer.descriptor = {MediaType(compression.type), kept, *size, {}, {}, ""};
    layer.fetch = nullptr;
    return absl::OkStatus();
  }
  if (layer.fetch != nullptr) BK_RETURN_IF_ERROR(layer.fetch(cancel, fetch, record->blob));
  auto claim = [&](Table& table, const Descriptor& blob) {
    Digest& variant = record->variants[key];
    if (variant == blob.digest) return;
    if (!variant.empty() && --table.blobs[variant] == 0) table.blobs.erase(variant);
    variant = blob.digest;
    table.blobs[variant]++;
    record->size_bytes = -1;
  };
  CompressionChoice plain = compression;
  plain.level = -1;  // of forced variants the level is ignored (golden layers, finding 10)
  BK_ASSIGN(layer.descriptor, Recompress(cancel, record->blob, plain, claim));
  layer.fetch = nullptr;
  return db_->Write({{"INSERT OR REPLACE INTO record_values VALUES(?,?,?)", {record->id, key, layer.descriptor.digest.str()}},
                     {"UPDATE records SET size=-1 WHERE id=?", {record->id}}});
}

absl::StatusOr<Layer> Manager::MakeLayer(const CancelToken& cancel, const FetchContext& fetch, const RecordPtr& record, const CompressionChoice& compression, bool create) {
  BK_TRY(Permit turn, record->work.Acquire(cancel));
  if (record->blob.digest.empty()) {
    if (!create) return NotFound("cache record ", record->id, " has no blob");
    BK_RETURN_IF_ERROR(MakeBlob(cancel, record, compression));
  }
  Layer layer{record->blob, record->diff_id, record->created_ns, record->description, nullptr};
  if (!content_->Has(record->blob.digest)) {
    layer.fetch = table_.With([&](Table&) { return record->fetch; });
    if (layer.fetch == nullptr) return NotFound("blob ", record->blob.digest.str(), " of cache record ", record->id, ": not found");
  }
  if (compression.force && TypeOf(record->blob.media_type) != compression.type) BK_RETURN_IF_ERROR(MakeVariant(cancel, fetch, record, compression, layer));
  return layer;
}

absl::StatusOr<std::vector<Layer>> Manager::MakeLayers(const CancelToken& cancel, const FetchContext& fetch, std::span<const RecordPtr> chain, const CompressionChoice& compression, bool create) {
  std::vector<Layer> layers;
  if (!chain.empty()) BK_RETURN_IF_ERROR(Finalize(chain.back()));
  for (const RecordPtr& record : chain) {
    BK_TRY(Layer layer, MakeLayer(cancel, fetch, record, compression, create));
    layers.push_back(std::move(layer));
  }
  return layers;
}

}  // namespace bk::cache
