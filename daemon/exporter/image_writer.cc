#include "daemon/exporter/image_writer.h"

#include <set>

#include "base/id.h"
#include "base/log.h"
#include "base/task_group.h"
#include "daemon/exporter/image_config.h"
#include "daemon/exporter/rewrite_layer.h"

namespace bk::exporter {
namespace {

// Annotations that say something to the store alone.
bool IsInternalAnnotation(const std::string& key) {
  return key == "containerd.io/uncompressed" || key == "buildkit/createdat" || key.starts_with("containerd.io/distribution.source.");
}

class Writer {
 public:
  Writer(const CancelToken& cancel, const ExporterParts& parts, const Result& result, const ImageOptions& options, const cache::FetchContext& fetch)
      : cancel_(cancel), parts_(parts), result_(result), options_(options), fetch_(fetch) {
    image_.hold = std::make_shared<BlobHold>(parts.leases);
  }

  absl::StatusOr<MadeImage> Run() {
    if (!result_.refs.empty() && !result_.metadata.contains(kPlatformsKey)) {
      return InvalidArgument("build result contains multiple refs without platforms mapping");
    }
    BK_RETURN_IF_ERROR(options_.Check());
    BK_ASSIGN(platforms_, PlatformsOf(result_.metadata));
    if (!options_.epoch) {
      BK_TRY(std::optional<int64_t> epoch, FrontendEpoch(result_.metadata, ""));
      if (epoch) options_.epoch = epoch;
    }
    BK_RETURN_IF_ERROR(CheckAnnotations());
    BK_RETURN_IF_ERROR(result_.refs.empty() ? Single() : Index());
    return std::move(image_);
  }

 private:
  absl::Status CheckAnnotations() {
    for (const auto& [platform, annotations] : options_.annotations.groups()) {
      bool found = true;
      if (!platform.empty()) FindRef(result_, platform, &found);
      if (!found) return InvalidArgument("invalid annotation: no platform ", platform, " found in source");
      if (!options_.oci() && !(annotations.index.empty() && annotations.index_descriptor.empty() && annotations.manifest_descriptor.empty())) {
        return InvalidArgument("cannot export annotations with \"oci-mediatypes=false\"");
      }
    }
    return absl::OkStatus();
  }

  absl::Status Single() {
    if (platforms_.size() > 1) return InvalidArgument("cannot export multiple platforms without multi-platform enabled");
    const ResultPlatform& platform = platforms_[0];
    Annotations annotations = options_.annotations.For(nullptr);
    BK_TRY(std::vector<std::vector<cache::Layer>> layers, ExportLayers());
    if (!annotations.index.empty() || !annotations.index_descriptor.empty()) return InvalidArgument("index annotations not supported for single platform export");
    BK_RETURN_IF_ERROR(Manifest(platform, std::move(layers[0]), annotations));
    image_.root = {image_.manifests[0].manifest, platform.platform};
    image_.config = image_.manifests[0].config.digest;
    return absl::OkStatus();
  }

  absl::Status Index() {
    BK_TRY(std::vector<std::vector<cache::Layer>> layers, ExportLayers());
    std::vector<Entry> entries;
    for (size_t i = 0; i < platforms_.size(); i++) {
      BK_RETURN_IF_ERROR(Manifest(platforms_[i], std::move(layers[i]), options_.annotations.For(&platforms_[i].platform)));
      entries.push_back({image_.manifests.back().manifest, platforms_[i].platform});
    }
    Annotations annotations = options_.annotations.For(nullptr);
    std::string type = options_.oci() ? media_type::kOciIndex : media_type::kDockerIndex;
    BK_TRY(image_.root.descriptor, Store("exporting manifest list ", IndexText(type, entries, annotations.index), type));
    image_.root.descriptor.annotations = annotations.index_descriptor;
    image_.is_index = true;
    return absl::OkStatus();
  }

  // The layers of every platform, in order; platforms are worked on at the same time.
  absl::StatusOr<std::vector<std::vector<cache::Layer>>> ExportLayers() {
    auto task = fetch_.progress.Start("exporting layers");
    std::vector<std::vector<cache::Layer>> out(platforms_.size());
    Guarded<absl::Status> failure;
    CancelSource stop(cancel_);
    {
      TaskGroup tasks;
      for (size_t i = 0; i < platforms_.size(); i++) {
        bool found = false;
        cache::ImmutablePtr ref = FindRef(result_, platforms_[i].id, &found);
        if (!found) {
          stop.Cancel();
          tasks.Wait();
          return InvalidArgument("failed to find ref for ID ", platforms_[i].id);
        }
        if (ref == nullptr) continue;
        tasks.Run([&, i, ref] {
          auto layers = ref->Layers(stop.token(), fetch_, options_.compression, true);
          if (layers.ok()) {
            out[i] = *std::move(layers);
            return;
          }
          failure.With([&](absl::Status& first) { first.Update(layers.status()); });
          stop.Cancel();
        });
      }
    }
    BK_RETURN_IF_ERROR(failure.With([](absl::Status& first) { return first; }));
    return out;
  }

  absl::StatusOr<std::optional<int64_t>> EpochOf(const ResultPlatform& platform) {
    if (options_.epoch) return *options_.epoch;
    return FrontendEpoch(result_.metadata, platform.id);
  }

  absl::Status RewriteTimes(std::vector<cache::Layer>& layers, std::optional<int64_t> epoch, const std::optional<BaseImage>& base) {
    if (!epoch) {
      log::Warning("rewrite-timestamp is specified, but no source-date-epoch was found");
      return absl::OkStatus();
    }
    auto task = fetch_.progress.Start(StrCat("rewriting layers with source-date-epoch ", *epoch, " (", ImageTime::FromSeconds(*epoch).text, ")"));
    bool diverged = false;
    for (size_t i = 0; i < layers.size(); i++) {
      // The base image's layers stay as they are up to the first one that is another.
      std::string same = !diverged && base && i < base->diff_ids.size() ? base->diff_ids[i] : "";
      diverged = diverged || same != layers[i].diff_id.str();
      if (!NeedsRewrite(layers[i], *epoch, diverged ? "" : same)) continue;
      if (layers[i].fetch) BK_RETURN_IF_ERROR(layers[i].fetch(cancel_, fetch_, layers[i].descriptor));
      auto use = parts_.content->Use();  // until the hold keeps it
      auto rewritten = RewriteLayer(cancel_, *parts_.content, layers[i], *epoch, options_.compression);
      BK_RETURN_IF_ERROR(cancel_.Check());
      if (rewritten.ok()) {
        layers[i] = *std::move(rewritten);
        BK_RETURN_IF_ERROR(image_.hold->Keep(layers[i].descriptor.digest));
      } else {
        log::Warning(StrCat("failed to rewrite layer ", layers[i].descriptor.digest.str(), " to match source-date-epoch ", *epoch, ": ", Message(rewritten.status())));
      }
    }
    return absl::OkStatus();
  }

  // What is known of each layer, from the refs that it came from.
  std::vector<LayerOrigin> OriginsOf(const ResultPlatform& platform, size_t count) {
    std::vector<LayerOrigin> out(count);
    bool found = false;
    cache::ImmutablePtr ref = FindRef(result_, platform.id, &found);
    if (ref == nullptr) return out;
    std::vector<cache::ImmutablePtr> chain = ref->LayerChain();
    size_t skip = chain.size() > count ? chain.size() - count : 0;
    for (size_t i = skip; i < chain.size(); i++) {
      std::string description = chain[i]->Description();
      out[i - skip] = {description.empty() ? "created by buildkit" : description, ImageTime::FromNs(chain[i]->CreatedNs())};
    }
    return out;
  }

  absl::Status Manifest(const ResultPlatform& platform, std::vector<cache::Layer> layers, const Annotations& annotations) {
    BK_TRY(std::optional<int64_t> epoch, EpochOf(platform));
    ConfigPatch patch;
    patch.epoch_seconds = epoch;
    if (std::string base = PlatformValue(result_.metadata, kBaseConfigKey, platform.id); !base.empty()) {
      BK_ASSIGN(patch.base, ParseBaseImage(base));
    }
    if (options_.rewrite_timestamp) BK_RETURN_IF_ERROR(RewriteTimes(layers, epoch, patch.base));
    patch.origins = OriginsOf(platform, layers.size());
    for (const cache::Layer& layer : layers) patch.diff_ids.push_back(layer.diff_id);
    BK_TRY(std::string config, PatchConfig(PlatformValue(result_.metadata, kConfigKey, platform.id), patch));

    MadeManifest made;
    for (const cache::Layer& layer : layers) {
      made.layers.push_back(LayerEntry(layer.descriptor));
      if (layer.fetch && !parts_.content->Has(layer.descriptor.digest)) made.lazy.push_back(layer);
    }
    ManifestParts parts;
    parts.oci = options_.oci();
    parts.annotations = annotations.manifest;
    parts.layers = made.layers;
    parts.config.media_type = parts.oci ? media_type::kOciConfig : media_type::kDockerConfig;
    parts.config.digest = DigestOf(config);
    parts.config.size = static_cast<int64_t>(config.size());
    BK_ASSIGN(made.manifest, Store("exporting manifest ", ManifestText(parts), parts.oci ? media_type::kOciManifest : media_type::kDockerManifest));
    made.manifest.annotations = annotations.manifest_descriptor;
    BK_ASSIGN(made.config, Store("exporting config ", config, parts.config.media_type));
    image_.manifests.push_back(std::move(made));
    return absl::OkStatus();
  }

  Descriptor LayerEntry(const Descriptor& layer) const {
    Descriptor descriptor = PlacedLayer(layer, options_.prefer_nondistributable);
    descriptor.media_type = LayerMediaType(descriptor.media_type, options_.oci());
    if (!options_.oci()) descriptor.annotations.clear();
    std::erase_if(descriptor.annotations, [](const auto& annotation) { return IsInternalAnnotation(annotation.first); });
    return descriptor;
  }

  absl::StatusOr<Descriptor> Store(const char* what, const std::string& text, const std::string& type) {
    Descriptor out;
    out.media_type = type;
    out.digest = DigestOf(text);
    out.size = static_cast<int64_t>(text.size());
    auto task = fetch_.progress.Start(StrCat(what, out.digest.str()));
    BK_RETURN_IF_ERROR(image_.hold->Keep(out.digest));
    BK_RETURN_IF_ERROR(parts_.content->Put(text, out.digest));
    return out;
  }

  const CancelToken& cancel_;
  const ExporterParts& parts_;
  const Result& result_;
  ImageOptions options_;
  const cache::FetchContext& fetch_;
  std::vector<ResultPlatform> platforms_;
  MadeImage image_;
};

}  // namespace

BlobHold::BlobHold(lease::Leases* leases) : leases_(leases), id_(StrCat(kHoldPrefix, NewId())) {}

BlobHold::~BlobHold() {
  if (leases_ == nullptr) return;
  if (absl::Status dropped = leases_->Drop(id_); !dropped.ok()) log::Warning(StrCat("drop lease ", id_, ": ", Message(dropped)));
}

absl::Status BlobHold::Keep(const Digest& digest) { return leases_ == nullptr ? absl::OkStatus() : leases_->Keep(id_, digest); }

absl::Status MadeImage::FetchLazy(const CancelToken& cancel, const cache::FetchContext& fetch) const {
  Guarded<absl::Status> failure;
  CancelSource stop(cancel);
  std::set<Digest> seen;
  {
    TaskGroup tasks;
    for (const MadeManifest& made : manifests) {
      for (const cache::Layer& layer : made.lazy) {
        if (!seen.insert(layer.descriptor.digest).second) continue;
        tasks.Run([&] {
          absl::Status status = layer.fetch(stop.token(), fetch, layer.descriptor);
          if (status.ok()) return;
          failure.With([&](absl::Status& first) { first.Update(status); });
          stop.Cancel();
        });
      }
    }
  }
  return failure.With([](absl::Status& first) { return first; });
}

absl::Status MadeImage::FetchOne(const CancelToken& cancel, const cache::FetchContext& fetch, const Digest& digest) const {
  for (const MadeManifest& made : manifests) {
    for (const cache::Layer& layer : made.lazy) {
      if (layer.descriptor.digest == digest) return layer.fetch(cancel, fetch, layer.descriptor);
    }
  }
  return NotFound("blob ", digest.str(), " is neither stored nor known where to be had");
}

std::vector<Descriptor> MadeImage::Blobs() const {
  std::vector<Descriptor> out;
  std::set<Digest> seen;
  for (const MadeManifest& made : manifests) {
    for (const Descriptor& layer : made.layers) {
      if (seen.insert(layer.digest).second) out.push_back(layer);
    }
    if (seen.insert(made.config.digest).second) out.push_back(made.config);
  }
  return out;
}

std::vector<Descriptor> MadeImage::Manifests() const {
  std::vector<Descriptor> out;
  std::set<Digest> seen;
  for (const MadeManifest& made : manifests) {
    if (seen.insert(made.manifest.digest).second) out.push_back(made.manifest);
  }
  if (is_index) out.push_back(root.descriptor);
  return out;
}

absl::StatusOr<MadeImage> MakeImage(const CancelToken& cancel, const ExporterParts& parts, const Result& result, const ImageOptions& options, const cache::FetchContext& fetch) {
  return Writer(cancel, parts, result, options, fetch).Run();
}

}  // namespace bk::exporter
