#include "tests/golden/layers/export_parts.h"

#include <re2/re2.h>

#include "snapshotter/diff/compress.h"

namespace bk::golden::layers {

std::vector<cache::ImmutablePtr> LayerRef::LayerChain() const {
  std::vector<cache::ImmutablePtr> out;
  for (const Part& part : parts_) out.push_back(std::make_shared<LayerRef>(store_, std::vector<Part>{part}));
  return out;
}

absl::StatusOr<std::vector<cache::Layer>> LayerRef::Layers(const CancelToken&, const cache::FetchContext&, const CompressionChoice& compression, bool) const {
  std::vector<cache::Layer> out;
  for (const Part& part : parts_) {
    std::string blob;
    BK_TRY(auto encoder, diff::MakeEncoder(compression, [&](std::string_view bytes) {
      blob += bytes;
      return absl::OkStatus();
    }));
    BK_RETURN_IF_ERROR(encoder->Write(part.tar));
    BK_RETURN_IF_ERROR(encoder->Finish());
    cache::Layer layer;
    const char* types[] = {media_type::kOciLayer, media_type::kOciLayerGzip, media_type::kOciLayerZstd};
    layer.descriptor = {types[static_cast<int>(compression.type)], DigestOf(blob), static_cast<int64_t>(blob.size()), {}, {}, ""};
    layer.diff_id = DigestOf(part.tar);
    layer.description = part.description;
    layer.created_ns = kBuildTimeNs;
    BK_RETURN_IF_ERROR(store_->Put(blob, layer.descriptor.digest));
    out.push_back(std::move(layer));
  }
  return out;
}

testing::TestResponse MemoryRegistry::Answer(const testing::TestRequest& request) {
  size_t manifests = request.path.find("/manifests/");
  if (request.method == "HEAD") return {404, {}, ""};
  if (request.method == "POST") return {202, {{"Location", request.path + "upload"}}, ""};
  if (request.method == "PUT" && manifests != std::string::npos) {
    std::string name = request.path.substr(4, manifests - 4), object = request.path.substr(manifests + 11);
    std::string key = object.starts_with("sha256:") ? name + "@" : name + ":" + object;
    tags_.With([&](auto& tags) { tags[key] = DigestOf(request.body).str(); });
  }
  return {request.method == "PUT" ? 201 : 405, {}, ""};
}

absl::StatusOr<std::string> Unpack(const std::string& base64_gzip) {
  BK_TRY(std::string packed, Base64Decode(base64_gzip));
  diff::StringSource source(packed);
  BK_TRY(auto decoder, diff::MakeDecoder(source));
  std::string out, buffer(65536, '\0');
  while (true) {
    BK_TRY(size_t n, decoder->Read(buffer.data(), buffer.size()));
    if (n == 0) return out;
    out.append(buffer, 0, n);
  }
}

absl::Status ExpectPattern(std::string_view what, const std::string& got, const std::string& want) {
  static const RE2 kToken(R"(\$(NOW|DIGEST\{[^}]*\}|DIFFID\{[^}]*\}|SIZE\{[^}]*\}|HEX\{[^}]*\}))");
  std::string pattern;
  re2::StringPiece rest(want);
  std::string token;
  while (true) {
    re2::StringPiece before = rest;
    if (!RE2::FindAndConsume(&rest, kToken, &token)) {
      pattern += RE2::QuoteMeta(before);
      break;
    }
    size_t literal = before.size() - rest.size() - token.size() - 1;
    pattern += RE2::QuoteMeta(before.substr(0, literal));
    pattern += token == "NOW" ? "[0-9TZ:.-]+" : token[0] == 'D' ? "sha256:[0-9a-f]{64}" : token[0] == 'S' ? "[0-9]+" : "[0-9a-f]{64}";
  }
  return RE2::FullMatch(got, pattern) ? absl::OkStatus() : ExpectText(what, got, want);
}

std::string WithTime(std::string text) {
  RE2::GlobalReplace(&text, R"(\$NOW)", kBuildTime);
  return text;
}

}  // namespace bk::golden::layers
