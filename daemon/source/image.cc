#include "daemon/source/image.h"

#include <nlohmann/json.hpp>

#include "base/go_json.h"
#include "base/guarded.h"
#include "daemon/registry/registry.h"
#include "daemon/source/identifier.h"

namespace bk::source {
namespace {

class RegistryOrigin final : public Origin {
 public:
  explicit RegistryOrigin(const ImageSourceOptions& options) : options_(options) {}
  absl::StatusOr<Descriptor> Resolve(const CancelToken& cancel, const cache::FetchContext& context, const SourceReference& ref) override {
    return context.offline ? Recall(ref) : options_.registry->Resolve(cancel, context, ref);
  }
  absl::Status Fetch(const CancelToken& cancel, const cache::FetchContext& context, const SourceReference& ref, const Descriptor& descriptor) override {
    if (context.offline && options_.content->Has(descriptor.digest)) return absl::OkStatus();
    return options_.registry->Fetch(cancel, context, ref, descriptor);
  }
  absl::Status Remember(const SourceReference& ref, const PulledImage& image) override {
    options_.registry->NotePlaces(ref, image.layers);
    return options_.known == nullptr ? absl::OkStatus() : options_.known->RememberWith(NameOf(ref), image.main.digest.str(), image.documents);
  }

 private:
  static std::string NameOf(const SourceReference& ref) { return "docker-image://" + ref.str(); }

  // What the name stood for the last time somebody asked.
  absl::StatusOr<Descriptor> Recall(const SourceReference& ref) const {
    std::string text = ref.digest_text();
    if (auto values = text.empty() && options_.known != nullptr ? options_.known->Find(NameOf(ref)) : std::vector<std::string>(); !values.empty()) text = values[0];
    if (text.empty()) return cache::Offline(StrCat("no build asked for image ", ref.str(), " yet"));
    Descriptor out;
    BK_ASSIGN(out.digest, Digest::Parse(text));
    auto size = options_.content->Size(out.digest);
    if (!size.ok()) return cache::Offline(StrCat("image ", ref.str(), ref.digest_text().empty() ? " (" + text + ")" : "", " is not kept here"));
    out.size = *size;
    return out;
  }

  const ImageSourceOptions options_;
};

// The documents, and what the origin remembers of them.
absl::StatusOr<PulledImage> PullAndRemember(const CancelToken& cancel, const cache::FetchContext& context, Origin& origin, content::ContentStore& content, const SourceReference& ref, const Platform& platform) {
  BK_TRY(PulledImage image, PullDocuments(cancel, context, origin, content, ref, platform));
  if (!context.offline) BK_RETURN_IF_ERROR(origin.Remember(ref, image));
  return image;
}

// Go's JSON of {Digest, OS, Arch, Variant, OSVersion, OSFeatures, Limit}, empty ones of the last four left out.
std::string ManifestKey(const Digest& main, const Platform& platform, const std::optional<int>& limit) {
  GoJsonWriter w;
  auto text = [&](const char* key, const std::string& value, bool always) {
    if (!always && value.empty()) return;
    w.Key(key);
    w.String(value);
  };
  w.BeginObject();
  text("Digest", main.str(), true);
  text("OS", platform.os, true);
  text("Arch", platform.architecture, true);
  text("Variant", platform.variant, false);
  text("OSVersion", platform.os_version, false);
  if (!platform.os_features.empty()) {
    w.Key("OSFeatures");
    w.BeginArray();
    for (const std::string& feature : platform.os_features) w.String(feature);
    w.EndArray();
  }
  if (limit) {
    w.Key("Limit");
    w.Int(*limit);
  }
  w.EndObject();
  return DigestOf(w.text()).str();
}

// "" unless the config is one of layers.
std::string ConfigKey(const PulledImage& image) {
  auto json = nlohmann::json::parse(image.config_json, nullptr, false);
  bool layers = json.is_object() && json.contains("rootfs") && json["rootfs"].is_object() && json["rootfs"].value("type", "") == "layers";
  return layers ? ChainId(image.diff_ids).str() : "";
}

// What both schemes have in common once the identifier is parsed.
struct ImageRequest {
  SourceReference reference;
  Platform platform;
  std::optional<int> layer_limit;
  Digest checksum;
  cache::RecordType record_type = cache::RecordType::kRegular;
};

class ImageInstance final : public SourceInstance {
 public:
  ImageInstance(const ImageSourceOptions& options, OriginPtr origin, ImageRequest request)
      : options_(options), origin_(std::move(origin)), request_(std::move(request)) {}

  absl::StatusOr<SourceKey> CacheKey(const CancelToken& cancel, const cache::FetchContext& context, int index) override {
    BK_TRY(std::shared_ptr<const PulledImage> image, Pull(cancel, context));
    SourceKey key;
    key.pin = image->main.digest.str();
    key.done = index > 0;
    if (index > 0) key.key = ConfigKey(*image);
    if (key.key.empty()) key.key = ManifestKey(image->main.digest, request_.platform, request_.layer_limit);
    return key;
  }

  absl::StatusOr<cache::ImmutablePtr> Snapshot(const CancelToken& cancel, const cache::FetchContext& context) override {
    BK_TRY(std::shared_ptr<const PulledImage> image, Pull(cancel, context));
    cache::BlobFetcher fetch = [origin = origin_, ref = request_.reference](const CancelToken& cancel, const cache::FetchContext& context, const Descriptor& descriptor) {
      return origin->Fetch(cancel, context, ref, descriptor);
    };
    cache::NewOptions options;
    options.description = "pulled from " + request_.reference.str();
    options.type = request_.record_type;
    cache::ImmutablePtr current;
    for (size_t i = 0; i < image->layers.size(); i++) {
      BK_ASSIGN(current, options_.cache->GetByBlob(cancel, image->layers[i], image->diff_ids[i], current, fetch, options));
    }
    return current;
  }

 private:
  struct State {
    bool busy = false;
    std::shared_ptr<const PulledImage> image;
    absl::Status failure;  // not kept when the caller gave up
  };

  // Once for all callers.
  absl::StatusOr<std::shared_ptr<const PulledImage>> Pull(const CancelToken& cancel, const cache::FetchContext& context) {
    CancelCallback wake(cancel, [this] { state_.Change([](State&) {}); });
    bool mine = state_.WaitThen([&](State& s) { return !s.busy || cancel.cancelled(); },
                                [](State& s) { return !s.busy && s.image == nullptr && s.failure.ok() ? (s.busy = true) : false; });
    if (mine) {
      auto pulled = PullNow(cancel, context);
      state_.Change([&](State& s) {
        s.busy = false;
        if (pulled.ok()) s.image = std::make_shared<const PulledImage>(*std::move(pulled));
        else if (!cancel.cancelled()) s.failure = pulled.status();
      });
    }
    BK_RETURN_IF_ERROR(cancel.Check());
    return state_.With([](State& s) -> absl::StatusOr<std::shared_ptr<const PulledImage>> {
      if (s.image != nullptr) return s.image;
      return s.failure;
    });
  }

  absl::StatusOr<PulledImage> PullNow(const CancelToken& cancel, const cache::FetchContext& context) {
    auto task = context.progress.Start("resolve " + request_.reference.str());
    BK_TRY(PulledImage image, PullAndRemember(cancel, context, *origin_, *options_.content, request_.reference, request_.platform));
    if (!request_.checksum.empty() && request_.checksum != image.main.digest) {
      return FailedPrecondition("image digest ", image.main.digest.str(), " for ", request_.reference.str(), " does not match expected checksum ",
                                request_.checksum.str());
    }
    if (request_.layer_limit) {
      size_t limit = static_cast<size_t>(*request_.layer_limit);
      if (limit > image.layers.size()) {
        return InvalidArgument("layer limit ", limit, " is greater than the number of layers in the image ", image.layers.size());
      }
      image.layers.resize(limit);
      image.diff_ids.resize(limit);
    }
    return image;
  }

  const ImageSourceOptions options_;
  const OriginPtr origin_;
  const ImageRequest request_;
  Guarded<State> state_;
};

Platform PlatformOrHost(const Platform& platform) { return platform.empty() ? HostPlatform() : platform; }

class ImageSource : public Source {
 public:
  explicit ImageSource(const ImageSourceOptions& options) : options_(options) {}

  absl::StatusOr<std::unique_ptr<SourceInstance>> Resolve(const SourceRequest& request) override {
    BK_TRY(Identifier identifier, ParseIdentifier(request.identifier, request.attrs));
    ImageRequest image;
    image.platform = PlatformOrHost(request.platform);
    OriginPtr origin;
    if (const auto* id = std::get_if<ImageIdentifier>(&identifier)) {
      image.reference = id->reference;
      image.layer_limit = id->layer_limit;
      image.checksum = id->checksum;
      BK_ASSIGN(image.record_type, ParseRecordType(id->record_type));
      origin = MakeRegistryOrigin(options_);
    } else if (const auto* oci = std::get_if<OciLayoutIdentifier>(&identifier)) {
      image.reference = oci->reference;
      image.layer_limit = oci->layer_limit;
      origin = MakeOciLayoutOrigin(options_.sessions, options_.content, oci->session_id, oci->store_id);
    } else {
      return InvalidArgument("invalid image identifier ", request.identifier);
    }
    return std::make_unique<ImageInstance>(options_, std::move(origin), std::move(image));
  }

  absl::StatusOr<ResolvedImage> ResolveImage(const CancelToken& cancel, const cache::FetchContext& context, const std::string& identifier,
                                             const ImageResolveOptions& options) override {
    BK_TRY(SourceReference ref, ReferenceOf(identifier));
    OriginPtr origin = MakeOrigin(options);
    ResolvedImage out;
    if (options.need_config) {
      BK_TRY(PulledImage image, PullAndRemember(cancel, context, *origin, *options_.content, ref, PlatformOrHost(options.platform)));
      out.digest = image.main.digest;
      out.config = std::move(image.config_json);
    } else {
      BK_TRY(Descriptor main, origin->Resolve(cancel, context, ref));
      out.digest = main.digest;
    }
    SourceReference pinned = ref;
    pinned.object = ref.tag() + "@" + out.digest.str();
    out.ref = pinned.str();
    return out;
  }

 protected:
  virtual OriginPtr MakeOrigin(const ImageResolveOptions&) const { return MakeRegistryOrigin(options_); }
  const ImageSourceOptions options_;

 private:
  // Of an identifier with or without its scheme.
  static absl::StatusOr<SourceReference> ReferenceOf(const std::string& identifier) {
    size_t separator = identifier.find("://");
    return SourceReference::ParseWithObject(separator == std::string::npos ? identifier : identifier.substr(separator + 3));
  }
};

class OciLayoutSource final : public ImageSource {
 public:
  using ImageSource::ImageSource;

 protected:
  OriginPtr MakeOrigin(const ImageResolveOptions& options) const override {
    return MakeOciLayoutOrigin(options_.sessions, options_.content, options.session_id, options.store_id);
  }
};

}  // namespace

OriginPtr MakeRegistryOrigin(const ImageSourceOptions& options) { return std::make_shared<RegistryOrigin>(options); }
std::unique_ptr<Source> MakeImageSource(const ImageSourceOptions& options) { return std::make_unique<ImageSource>(options); }
std::unique_ptr<Source> MakeOciLayoutSource(const ImageSourceOptions& options) { return std::make_unique<OciLayoutSource>(options); }

}  // namespace bk::source
