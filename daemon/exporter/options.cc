#include "daemon/exporter/options.h"

#include <functional>

#include "base/go_parse.h"

namespace bk::exporter {
namespace {

std::optional<std::string> Take(TextMap& attrs, const char* key) {
  auto it = attrs.find(key);
  if (it == attrs.end()) return std::nullopt;
  std::string value = std::move(it->second);
  attrs.erase(it);
  return value;
}

absl::StatusOr<std::optional<int64_t>> ParseEpoch(const std::string& key, const std::string& value) {
  if (value.empty()) return std::optional<int64_t>();
  auto parsed = ParseInt(value);
  // The reference names the cause twice.
  if (!parsed.ok()) return InvalidArgument("invalid ", key, ": ", Message(parsed.status()), ": ", Message(parsed.status()));
  return std::optional<int64_t>(*parsed);
}

absl::Status TakeBool(TextMap& attrs, const char* key, const std::function<void(bool)>& set) {
  std::optional<std::string> text = Take(attrs, key);
  if (!text) return absl::OkStatus();
  auto value = ParseBool(*text);
  if (!value.ok()) return Annotate(value.status(), StrCat("non-bool value specified for ", key));
  set(*value);
  return absl::OkStatus();
}

absl::StatusOr<Compression> ParseCompression(const std::string& text) {
  if (text == "uncompressed") return Compression::kUncompressed;
  if (text == "gzip") return Compression::kGzip;
  if (text == "zstd") return Compression::kZstd;
  if (text == "estargz") return Compression::kEstargz;
  return InvalidArgument("unsupported compression type ", text);
}

absl::StatusOr<CompressionChoice> TakeCompression(TextMap& attrs) {
  CompressionChoice out;
  if (auto type = Take(attrs, "compression")) BK_ASSIGN(out.type, ParseCompression(*type));
  if (auto force = Take(attrs, "force-compression")) {
    auto value = force->empty() ? absl::StatusOr<bool>(true) : ParseBool(*force);
    if (!value.ok()) return Annotate(value.status(), StrCat("non-bool value ", *force, " specified for force-compression"));
    out.force = *value;
  }
  if (auto level = Take(attrs, "compression-level")) {
    auto value = ParseInt(*level);
    if (!value.ok()) return Annotate(value.status(), StrCat("non-integer value ", *level, " specified for compression-level"));
    out.level = static_cast<int>(*value);
  }
  return out;
}

}  // namespace

absl::Status TakeSwitch(TextMap& attrs, const char* key, bool& value) {
  if (auto it = attrs.find(key); it != attrs.end() && it->second.empty()) it->second = "true";
  return TakeBool(attrs, key, [&](bool given) { value = given; });
}

absl::StatusOr<Epoch> TakeEpoch(TextMap& attrs) {
  std::optional<std::string> text = Take(attrs, "source-date-epoch");
  if (!text) return Epoch();
  BK_TRY(std::optional<int64_t> value, ParseEpoch("source-date-epoch", *text));
  return Epoch(value);
}

absl::StatusOr<std::optional<int64_t>> FrontendEpoch(const TextMap& metadata, const std::string& platform_id) {
  constexpr char kKey[] = "source.date.epoch";
  auto found = platform_id.empty() ? metadata.end() : metadata.find(StrCat(kKey, "/", platform_id));
  if (found == metadata.end()) found = metadata.find(kKey);
  if (found == metadata.end()) return std::optional<int64_t>();
  auto value = ParseEpoch("", found->second);
  if (!value.ok()) return Annotate(value.status(), StrCat("invalid SOURCE_DATE_EPOCH from frontend: ", Quote(found->second)));
  return value;
}

absl::StatusOr<ImageOptions> ImageOptions::Take(TextMap& attrs) {
  ImageOptions out;
  BK_ASSIGN(out.annotations, AnnotationGroups::Take(attrs));
  BK_ASSIGN(out.epoch, TakeEpoch(attrs));
  BK_ASSIGN(out.compression, TakeCompression(attrs));
  if (auto name = exporter::Take(attrs, "name")) out.name = *name;
  BK_RETURN_IF_ERROR(TakeBool(attrs, "oci-mediatypes", [&](bool value) { out.oci_types = value; }));
  BK_RETURN_IF_ERROR(TakeBool(attrs, "oci-artifact", [&](bool value) { out.oci_artifact = value; }));
  BK_RETURN_IF_ERROR(TakeBool(attrs, "attestation-inline", [&](bool value) { out.inline_attestations = value; }));
  BK_RETURN_IF_ERROR(TakeBool(attrs, "prefer-nondist-layers", [&](bool value) { out.prefer_nondistributable = value; }));
  BK_RETURN_IF_ERROR(TakeBool(attrs, "rewrite-timestamp", [&](bool value) { out.rewrite_timestamp = value; }));
  BK_RETURN_IF_ERROR(out.Check());
  if (out.compression.type == Compression::kEstargz) return Unimplemented("exporter option \"compression=estargz\" is not built yet (use gzip or zstd)");
  return out;
}

absl::Status ImageOptions::SetDefaults(int version, const std::string& exporter) {
  constexpr int kOciByDefault = 30, kWithoutZstd = 10;
  if (!oci_types) oci_types = exporter == "oci" || version >= kOciByDefault;
  if (version == kWithoutZstd && compression.type == Compression::kZstd) {
    std::string cause = StrCat("unsupported compatibility-version ", version, " feature ", exporter, " exporter compression=zstd");
    return InvalidArgument(cause, ": ", cause);  // the reference says it twice
  }
  return Check();
}

absl::Status ImageOptions::Check() const {
  if (!oci_types) return absl::OkStatus();
  if (compression.type == Compression::kEstargz && !*oci_types) {
    return InvalidArgument("exporter option \"compression=estargz\" conflicts with \"oci-mediatypes=false\"");
  }
  if (oci_artifact.value_or(false) && !*oci_types) return InvalidArgument("exporter option \"oci-artifact=true\" conflicts with \"oci-mediatypes=false\"");
  return absl::OkStatus();
}

}  // namespace bk::exporter
