#include "daemon/source/image_pull.h"

#include <algorithm>

#include <nlohmann/json.hpp>

#include "base/platform_match.h"

namespace bk::source {
namespace {

using Json = nlohmann::json;

constexpr size_t kMaxLayers = 1024, kMaxManifests = 4096;
constexpr int kMaxIndexDepth = 4;
constexpr char kDockerSchema1[] = "application/vnd.docker.distribution.manifest.v1+prettyjws";

bool IsIndex(const std::string& type) { return type == media_type::kOciIndex || type == media_type::kDockerIndex; }
bool IsManifest(const std::string& type) { return type == media_type::kOciManifest || type == media_type::kDockerManifest; }

std::string TextOf(const Json& object, const char* key) {
  auto found = object.find(key);
  return found != object.end() && found->is_string() ? found->get<std::string>() : "";
}

absl::StatusOr<Descriptor> ParseDescriptor(const Json& json) {
  if (!json.is_object()) return DataLoss("descriptor is not an object");
  Descriptor out;
  out.media_type = TextOf(json, "mediaType");
  BK_ASSIGN(out.digest, Digest::Parse(TextOf(json, "digest")));
  auto size = json.find("size");
  if (size == json.end() || !size->is_number_integer() || size->get<int64_t>() < 0) return DataLoss("invalid size of ", out.digest.str());
  out.size = size->get<int64_t>();
  if (auto annotations = json.find("annotations"); annotations != json.end() && annotations->is_object()) {
    for (const auto& [key, value] : annotations->items()) {
      if (value.is_string()) out.annotations[key] = value.get<std::string>();
    }
  }
  if (auto urls = json.find("urls"); urls != json.end() && urls->is_array()) {
    for (const auto& url : *urls) {
      if (url.is_string()) out.urls.push_back(url.get<std::string>());
    }
  }
  return out;
}

Platform ParsePlatformJson(const Json& json) {
  Platform out;
  out.os = TextOf(json, "os");
  out.architecture = TextOf(json, "architecture");
  out.variant = TextOf(json, "variant");
  out.os_version = TextOf(json, "os.version");
  if (auto features = json.find("os.features"); features != json.end() && features->is_array()) {
    for (const auto& feature : *features) {
      if (feature.is_string()) out.os_features.push_back(feature.get<std::string>());
    }
  }
  return out;
}

class Puller {
 public:
  Puller(const CancelToken& cancel, const cache::FetchContext& context, Origin& origin, content::ContentStore& content, const SourceReference& ref, const Platform& platform)
      : cancel_(cancel), context_(context), origin_(origin), content_(content), ref_(ref), matcher_(PlatformMatcher::Only(platform)) {}

  absl::StatusOr<PulledImage> Run() {
    BK_ASSIGN(image_.main, origin_.Resolve(cancel_, context_, ref_));
    if (image_.main.media_type == kDockerSchema1) {
      return FailedPrecondition("support Docker Image manifest version 2, schema 1 has been removed. More information at https://docs.docker.com/go/deprecated-image-specs/");
    }
    BK_TRY(std::string text, Read(image_.main));
    // What a registry calls it counts less than what it is: mirrors and blobs are served as octet-stream.
    BK_ASSIGN(image_.main.media_type, DetectManifestType(text));
    Descriptor manifest = image_.main;
    bool platform_known = false;
    for (int depth = 0; IsIndex(manifest.media_type); depth++) {
      if (depth == kMaxIndexDepth) return ResourceExhausted("indexes of ", ref_.str(), " are nested more than ", kMaxIndexDepth, " deep");
      BK_ASSIGN(manifest, Choose(text, platform_known));
      BK_ASSIGN(text, Read(manifest));
    }
    BK_RETURN_IF_ERROR(ReadManifest(text));
    BK_RETURN_IF_ERROR(ReadConfig(manifest.digest != image_.main.digest && !platform_known));
    return std::move(image_);
  }

 private:
  absl::StatusOr<std::string> Read(const Descriptor& descriptor) {
    if (descriptor.size > kMaxDocumentBytes) {
      return ResourceExhausted(descriptor.digest.str(), " of ", ref_.str(), " exceeds the limit of ", kMaxDocumentBytes, " bytes");
    }
    cache::FetchContext quiet = context_;
    quiet.progress = {};  // only layers are worth a line
    BK_RETURN_IF_ERROR(origin_.Fetch(cancel_, quiet, ref_, descriptor));
    image_.documents.push_back(descriptor.digest);
    return content_.Read(descriptor.digest, kMaxDocumentBytes);
  }

  absl::StatusOr<Json> Parse(const std::string& text, const char* what) {
    Json json = Json::parse(text, nullptr, false);
    if (!json.is_object()) return DataLoss("failed to parse ", what, " of ", ref_.str(), ": invalid JSON");
    return json;
  }

  // The best manifest of an index; those without a platform come last.
  absl::StatusOr<Descriptor> Choose(const std::string& text, bool& platform_known) {
    BK_TRY(Json index, Parse(text, "index"));
    struct Offer {
      const Json* json;
      std::optional<Platform> platform;
    };
    std::vector<Offer> offers;
    auto manifests = index.find("manifests");
    if (manifests != index.end() && manifests->is_array()) {
      if (manifests->size() > kMaxManifests) return ResourceExhausted("index of ", ref_.str(), " has more than ", kMaxManifests, " manifests");
      for (const Json& entry : *manifests) {
        if (!entry.is_object()) continue;
        auto platform = entry.find("platform");
        Offer offer{&entry, std::nullopt};
        if (platform != entry.end() && platform->is_object()) offer.platform = ParsePlatformJson(*platform);
        if (!offer.platform || matcher_.Matches(*offer.platform)) offers.push_back(std::move(offer));
      }
    }
    if (offers.empty()) return NotFound("no match for platform in manifest: not found");
    auto best = std::min_element(offers.begin(), offers.end(), [&](const Offer& a, const Offer& b) {
      if (!a.platform || !b.platform) return a.platform.has_value() && !b.platform.has_value();
      return matcher_.Less(*a.platform, *b.platform);
    });
    platform_known = best->platform.has_value();
    return ParseDescriptor(*best->json);
  }

  absl::Status ReadManifest(const std::string& text) {
    BK_TRY(Json manifest, Parse(text, "manifest"));
    auto config = manifest.find("config");
    if (config == manifest.end()) return DataLoss("manifest of ", ref_.str(), " has no config");
    BK_ASSIGN(image_.config, ParseDescriptor(*config));
    auto layers = manifest.find("layers");
    if (layers == manifest.end() || !layers->is_array()) return absl::OkStatus();
    if (layers->size() > kMaxLayers) return ResourceExhausted("image ", ref_.str(), " has more than ", kMaxLayers, " layers");
    for (const Json& layer : *layers) {
      BK_TRY(Descriptor parsed, ParseDescriptor(layer));
      image_.layers.push_back(std::move(parsed));
    }
    return absl::OkStatus();
  }

  absl::Status ReadConfig(bool check_platform) {
    BK_ASSIGN(image_.config_json, Read(image_.config));
    BK_TRY(Json config, Parse(image_.config_json, "config"));
    if (check_platform && !matcher_.Matches(ParsePlatformJson(config))) return NotFound("no match for platform in manifest: not found");
    auto rootfs = config.find("rootfs");
    if (rootfs != config.end() && rootfs->is_object() && rootfs->contains("diff_ids") && (*rootfs)["diff_ids"].is_array()) {
      const Json& ids = (*rootfs)["diff_ids"];
      if (ids.size() > kMaxLayers) return ResourceExhausted("config of ", ref_.str(), " has more than ", kMaxLayers, " layers");
      for (const Json& id : ids) {
        BK_TRY(Digest parsed, Digest::Parse(id.is_string() ? id.get<std::string>() : ""));
        image_.diff_ids.push_back(std::move(parsed));
      }
    }
    if (image_.diff_ids.size() != image_.layers.size()) {
      return DataLoss("mismatched image rootfs and manifest layers: ", image_.diff_ids.size(), " and ", image_.layers.size());
    }
    return absl::OkStatus();
  }

  const CancelToken& cancel_;
  const cache::FetchContext& context_;
  Origin& origin_;
  content::ContentStore& content_;
  const SourceReference& ref_;
  const PlatformMatcher matcher_;
  PulledImage image_;
};

}  // namespace

absl::StatusOr<std::string> DetectManifestType(const std::string& text) {
  Json json = Json::parse(text, nullptr, false);
  if (!json.is_object()) return DataLoss("invalid manifest: not a JSON object");
  bool manifest = json.contains("config") || json.contains("layers");
  if (manifest && json.contains("manifests")) return DataLoss("invalid ambiguous manifest and manifest list");
  std::string declared = TextOf(json, "mediaType");
  if (IsIndex(declared) || IsManifest(declared)) {
    if (IsManifest(declared) != manifest) return DataLoss("mediaType in manifest does not match manifest contents");
    return declared;
  }
  return manifest ? media_type::kDockerManifest : media_type::kDockerIndex;
}

absl::StatusOr<PulledImage> PullDocuments(const CancelToken& cancel, const cache::FetchContext& context, Origin& origin, content::ContentStore& content,
                                          const SourceReference& ref, const Platform& platform) {
  auto use = content.Use();
  return Puller(cancel, context, origin, content, ref, platform).Run();
}

Digest ChainId(const std::vector<Digest>& diff_ids) {
  Digest chain;
  for (const Digest& id : diff_ids) chain = chain.empty() ? id : DigestOf(chain.str() + " " + id.str());
  return chain;
}

}  // namespace bk::source
