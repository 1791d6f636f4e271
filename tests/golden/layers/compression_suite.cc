// layers/compression: options, media types, and blobs of a ref through a row of exports. [SNP-022, SNP-024]
#include "daemon/exporter/manifest.h"
#include "daemon/exporter/options.h"
#include "snapshotter/diff/compress.h"
#include "tests/golden/layers/cache_store.h"
#include "tests/golden/layers/suites.h"

namespace bk::golden::layers {
namespace {

constexpr const char* kTypes[] = {"uncompressed", "gzip", "zstd", "estargz"};

absl::Status ExpectFailure(const absl::Status& status, const Json& want) {
  std::string text = Message(status), wanted = want["error"];
  // The reference tells its mounts and its calls first.
  if (!status.ok() && !text.empty() && wanted.ends_with(text)) return absl::OkStatus();
  return ExpectText("error", text, wanted);
}

absl::Status RunAttrs(const Json& c) {
  exporter::TextMap attrs;
  for (const auto& [key, value] : c["attrs"].items()) attrs[key] = value.get<std::string>();
  auto options = exporter::ImageOptions::Take(attrs);
  const Json& want = c["expect"];
  if (want.contains("error")) return ExpectFailure(options.status(), want);
  BK_RETURN_IF_ERROR(options.status());
  const CompressionChoice& got = options->compression;
  BK_RETURN_IF_ERROR(ExpectText("type", kTypes[static_cast<int>(got.type)], want["type"].get<std::string>()));
  if (got.force != want["force"].get<bool>()) return Unknown("force: got ", got.force);
  int level = want["level"].is_null() ? -1 : want["level"].get<int>();
  return got.level == level ? absl::OkStatus() : Unknown("level: got ", got.level, ", want ", level);
}

absl::Status RunTable(const Json& c) {
  for (const Json& row : c["expect"]["rows"]) {
    std::string type = row["media_type"];
    BK_RETURN_IF_ERROR(ExpectText(type + " as OCI's", exporter::LayerMediaType(type, true), row["oci"].get<std::string>()));
    BK_RETURN_IF_ERROR(ExpectText(type + " as Docker's", exporter::LayerMediaType(type, false), row["docker"].get<std::string>()));
  }
  return absl::OkStatus();
}

absl::StatusOr<cache::ImmutablePtr> FromBlob(TestStore& test, const std::string& plain, const Json& source) {
  std::string encoding = source["encoding"], bytes;
  CompressionChoice choice;
  choice.type = encoding == "gzip" ? Compression::kGzip : encoding == "zstd" ? Compression::kZstd : Compression::kUncompressed;
  BK_TRY(auto encoder, diff::MakeEncoder(choice, [&](std::string_view piece) {
           bytes += piece;
           return absl::OkStatus();
         }));
  BK_RETURN_IF_ERROR(encoder->Write(plain));
  BK_RETURN_IF_ERROR(encoder->Finish());
  Descriptor blob{source["media_type"], DigestOf(bytes), static_cast<int64_t>(bytes.size()), {}, {}, ""};
  blob.urls = source.value("urls", std::vector<std::string>());
  BK_RETURN_IF_ERROR(test.store->content().Put(bytes, blob.digest));
  return test.store->manager().GetByBlob(CancelToken::Never(), blob, DigestOf(plain), nullptr, nullptr, {});
}

CompressionChoice ChoiceOf(const Json& step) {
  CompressionChoice choice;
  for (int i = 0; i < 4; i++) {
    if (step["compression"] == kTypes[i]) choice.type = static_cast<Compression>(i);
  }
  choice.force = step["force"];
  choice.level = step.value("level", -1);
  return choice;
}

absl::Status ExpectStep(TestStore& test, const cache::Layer& layer, bool prefer_nondist, const std::string& plain, std::map<Digest, std::string>& origins, const std::string& step, const Json& want) {
  const Descriptor blob = exporter::PlacedLayer(layer.descriptor, prefer_nondist);
  BK_RETURN_IF_ERROR(ExpectText(step + " media type", blob.media_type, want["media_type"].get<std::string>()));
  BK_RETURN_IF_ERROR(ExpectJson(step + " urls", Json(blob.urls), want.value("urls", Json::array())));
  BK_RETURN_IF_ERROR(ExpectText(step + " blob", origins.try_emplace(blob.digest, step).first->second, want["blob"].get<std::string>()));
  BK_TRY(std::string bytes, test.store->content().Read(blob.digest, 1 << 24));
  Compression kind = diff::DetectCompression(bytes);
  BK_RETURN_IF_ERROR(ExpectText(step + " bytes", kind == Compression::kUncompressed ? "tar" : kTypes[static_cast<int>(kind)], want["bytes"].get<std::string>()));
  if (blob.size != static_cast<int64_t>(bytes.size())) return Unknown(step, " size");
  BK_TRY(std::string unpacked, test.Plain(blob.digest));
  if ((unpacked == plain) != want["decompresses_to_plain"].get<bool>()) return Unknown(step, ": unpacks to other bytes");
  if ((layer.diff_id == DigestOf(plain)) != (want["diff_id"] == "plain")) return Unknown(step, " diff id");
  return absl::OkStatus();
}

absl::Status RunLayer(const Json& c) {
  BK_TRY(std::string plain, Gunzip(c["tar_gz"]));
  BK_RETURN_IF_ERROR(ExpectText("stream", DigestOf(plain).str(), c["expect"]["plain_diff_id"].get<std::string>()));
  BK_TRY(TestStore test, TestStore::Make("native"));
  bool imported = c["source"]["kind"] == "blob";
  BK_TRY(cache::ImmutablePtr ref, imported ? FromBlob(test, plain, c["source"]) : test.FromStream(nullptr, plain));
  std::map<Digest, std::string> origins;
  if (imported) {
    BK_TRY(auto layers, ref->Layers(CancelToken::Never(), {}, {}, false));
    origins[layers.back().descriptor.digest] = "source";
  }
  for (size_t i = 0; i < c["steps"].size(); i++) {
    const Json& want = c["expect"]["steps"][i];
    auto layers = ref->Layers(CancelToken::Never(), {}, ChoiceOf(c["steps"][i]), true);
    if (want.contains("error")) {
      BK_RETURN_IF_ERROR(ExpectFailure(layers.status(), want));
      continue;
    }
    BK_RETURN_IF_ERROR(layers.status());
    BK_RETURN_IF_ERROR(ExpectStep(test, layers->back(), c["steps"][i].value("prefer_nondist", false), plain, origins, StrCat("step", i), want));
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status RunCompression(const Json& c, const std::string&) {
  std::string kind = c["kind"];
  return kind == "attrs" ? RunAttrs(c) : kind == "table" ? RunTable(c) : RunLayer(c);
}

}  // namespace bk::golden::layers
