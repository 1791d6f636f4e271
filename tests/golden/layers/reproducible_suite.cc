// layers/reproducible: layers with their times lowered to an epoch, and image configurations patched. [EXP-035 … EXP-037]
#include "base/os/file.h"
#include "daemon/exporter/image_config.h"
#include "daemon/exporter/rewrite_layer.h"
#include "snapshotter/diff/compress.h"
#include "tests/golden/layers/suites.h"

namespace bk::golden::layers {
namespace {

absl::StatusOr<std::string> Gunzip(const Json& value) {
  BK_TRY(std::string packed, Base64Decode(value.get<std::string>()));
  diff::StringSource source(packed);
  BK_TRY(auto decoder, diff::MakeDecoder(source));
  std::string out, buffer(65536, '\0');
  while (true) {
    BK_TRY(size_t n, decoder->Read(buffer.data(), buffer.size()));
    if (n == 0) return out;
    out.append(buffer, 0, n);
  }
}

// What a JSON or time library says is not compared.
std::string WithoutLibraryWords(std::string message) {
  for (const char* words : {": json: ", ": unexpected end of JSON", ": parsing time ", ": invalid JSON"}) {
    if (size_t at = message.find(words); at != std::string::npos) message.resize(at);
  }
  return message;
}

absl::Status CheckConfig(const Json& c) {
  exporter::ConfigPatch patch;
  for (const Json& id : c["diff_ids"]) {
    BK_TRY(Digest digest, Digest::Parse(id.get<std::string>()));
    patch.diff_ids.push_back(digest);
  }
  patch.origins.resize(patch.diff_ids.size());
  if (c.contains("source_date_epoch")) patch.epoch_seconds = c["source_date_epoch"].get<int64_t>();
  patch.inline_cache = c.value("inline_cache", "");
  if (c.contains("base_config")) BK_ASSIGN(patch.base, exporter::ParseBaseImage(c["base_config"]));
  auto config = exporter::PatchConfig(c["config"], patch);
  const Json& expect = c["expect"];
  if (expect.contains("error")) return ExpectText("error", WithoutLibraryWords(Message(config.status())), WithoutLibraryWords(expect["error"]));
  BK_RETURN_IF_ERROR(config.status());
  return ExpectText("config", *config, expect["config"].get<std::string>());
}

absl::Status CheckLayer(const Json& c) {
  const Json& expect = c["expect"];
  BK_TRY(std::string tar, Gunzip(c["tar_gz"]));
  BK_TRY(os::TempDir temp, os::TempDir::Make("golden-rewrite-"));
  BK_TRY(auto store, content::ContentStore::Open(temp.path()));
  cache::Layer layer;
  layer.descriptor = {media_type::kOciLayer, DigestOf(tar), static_cast<int64_t>(tar.size()), {}, {}, ""};
  layer.diff_id = layer.descriptor.digest;
  if (c.contains("descriptor_annotation_rewritten_timestamp")) layer.descriptor.annotations[exporter::kRewrittenAnnotation] = c["descriptor_annotation_rewritten_timestamp"];
  BK_RETURN_IF_ERROR(store->Put(tar, layer.descriptor.digest));
  int64_t epoch = c["source_date_epoch"];
  std::string base = c.contains("immutable_diff_ids") ? c["immutable_diff_ids"][0].get<std::string>() : "";
  if (expect.value("unchanged", false)) return exporter::NeedsRewrite(layer, epoch, base) ? Internal("the layer would be rewritten") : absl::OkStatus();
  auto rewritten = exporter::RewriteLayer(CancelToken::Never(), *store, layer, epoch, {Compression::kUncompressed, -1, false});
  if (expect.contains("error")) return rewritten.ok() ? Internal("no error, want ", expect["error"].get<std::string>()) : absl::OkStatus();
  BK_RETURN_IF_ERROR(rewritten.status());
  BK_TRY(std::string want, Gunzip(expect["tar_gz"]));
  BK_TRY(std::string got, store->Read(rewritten->descriptor.digest, 1 << 28));
  BK_RETURN_IF_ERROR(ExpectText("tar", HexEncode(got), HexEncode(want)));
  BK_RETURN_IF_ERROR(ExpectText("diff id", rewritten->diff_id.str(), expect["diff_id"].get<std::string>()));
  return ExpectText("annotation", rewritten->descriptor.annotations[exporter::kRewrittenAnnotation], expect["annotations"]["buildkit/rewritten-timestamp"].get<std::string>());
}

}  // namespace

absl::Status RunReproducible(const Json& c, const std::string&) { return c["kind"] == "config" ? CheckConfig(c) : CheckLayer(c); }

}  // namespace bk::golden::layers
