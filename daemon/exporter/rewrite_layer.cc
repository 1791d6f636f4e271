#include "daemon/exporter/rewrite_layer.h"

#include "snapshotter/diff/compress.h"
#include "snapshotter/diff/tar.h"

namespace bk::exporter {
namespace {

bool Later(const diff::TarTime& time, int64_t epoch) { return time.seconds > epoch || (time.seconds == epoch && time.nanoseconds > 0); }

// What the fields of a header say themselves; Go's reader forgets how a sparse file was stored.
bool RepeatsField(const std::string& key) {
  for (const char* field : {"path", "linkpath", "size", "uid", "gid", "uname", "gname", "mtime", "atime"}) {
    if (key == field) return true;
  }
  return key.starts_with("GNU.sparse.");
}

// The change time has no field.
void LowerChangeTime(diff::TarHeader& header, int64_t epoch) {
  auto it = header.pax.find("ctime");
  if (it == header.pax.end()) return;
  size_t dot = it->second.find('.');
  bool fraction = dot != std::string::npos && it->second.find_first_not_of('0', dot + 1) != std::string::npos;
  int64_t value = strtoll(it->second.substr(0, dot).c_str(), nullptr, 10);
  if (value > epoch || (value == epoch && fraction)) it->second = std::to_string(epoch);
}

const char* TypeOf(Compression type) {
  switch (type) {
    case Compression::kUncompressed: return media_type::kOciLayer;
    case Compression::kZstd: return media_type::kOciLayerZstd;
    default: return media_type::kOciLayerGzip;
  }
}

}  // namespace

absl::Status RewriteTar(const CancelToken& cancel, diff::ByteSource& in, int64_t epoch, const diff::ByteSink& out) {
  diff::TarReader reader(in);
  diff::TarWriter writer(out);
  std::string buffer(256 << 10, '\0');
  while (true) {
    BK_RETURN_IF_ERROR(cancel.Check());
    diff::TarHeader header;
    BK_TRY(bool more, reader.Next(header));
    if (!more) return writer.Close();
    if (Later(header.mtime, epoch)) header.mtime = {epoch, 0};
    if (header.has_atime && Later(header.atime, epoch)) header.atime = {epoch, 0};
    LowerChangeTime(header, epoch);
    for (auto* time : {&header.gnu_atime, &header.gnu_ctime}) {
      if (*time && **time > epoch) *time = epoch;
    }
    bool ustar = header.pax.empty() && !header.gnu;
    if (header.type != 'g') std::erase_if(header.pax, [](const auto& record) { return RepeatsField(record.first); });
    // The format found is the format written.
    if (ustar && header.mtime.seconds < 0) return InvalidArgument("cannot encode the time ", header.mtime.seconds, " of ", Quote(header.name), " in a USTAR header");
    BK_RETURN_IF_ERROR(writer.Header(header));
    while (true) {
      BK_TRY(size_t n, reader.Read(buffer.data(), buffer.size()));
      if (n == 0) break;
      BK_RETURN_IF_ERROR(writer.Data({buffer.data(), n}));
    }
  }
}

bool NeedsRewrite(const cache::Layer& layer, int64_t epoch, const std::string& base_diff_id) {
  if (!base_diff_id.empty() && layer.diff_id.str() == base_diff_id) return false;
  auto done = layer.descriptor.annotations.find(kRewrittenAnnotation);
  return done == layer.descriptor.annotations.end() || done->second != std::to_string(epoch);
}

absl::StatusOr<cache::Layer> RewriteLayer(const CancelToken& cancel, content::ContentStore& content, const cache::Layer& layer, int64_t epoch, const CompressionChoice& compression) {
  BK_TRY(os::UniqueFd fd, content.OpenBlob(layer.descriptor.digest));
  diff::FdSource file(fd.get());
  BK_TRY(auto decoder, diff::MakeDecoder(file));
  BK_TRY(content::Ingest ingest, content.NewIngest());
  BK_TRY(auto encoder, diff::MakeEncoder(compression, [&](std::string_view bytes) { return ingest.Write(bytes); }));
  Sha256 plain;
  BK_RETURN_IF_ERROR(RewriteTar(cancel, *decoder, epoch, [&](std::string_view bytes) {
    plain.Update(bytes);
    return encoder->Write(bytes);
  }));
  BK_RETURN_IF_ERROR(encoder->Finish());
  cache::Layer out = layer;
  out.fetch = nullptr;
  out.diff_id = plain.FinishDigest();
  out.descriptor = {};
  out.descriptor.media_type = TypeOf(compression.type);
  out.descriptor.size = ingest.size_bytes();
  out.descriptor.annotations[kRewrittenAnnotation] = std::to_string(epoch);
  BK_ASSIGN(out.descriptor.digest, ingest.Commit({}, -1));
  return out;
}

}  // namespace bk::exporter
