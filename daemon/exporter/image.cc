// type=image: an image kept in the store under its names, and pushed to registries (EXP rows of the image exporter).
#include "daemon/exporter/exporters.h"
#include "daemon/exporter/names.h"
#include "daemon/registry/registry.h"

namespace bk::exporter {
namespace {

struct ImageSwitches {
  bool push = false, push_by_digest = false, insecure = false, unpack = false, store = true;
  bool store_incomplete = false;  // tests of lazy refs
  bool name_canonical = false, dangling_empty_only = false;
  std::string dangling_prefix;
};

absl::StatusOr<ImageSwitches> TakeSwitches(TextMap& attrs) {
  ImageSwitches out;
  BK_RETURN_IF_ERROR(TakeSwitch(attrs, "push", out.push));
  BK_RETURN_IF_ERROR(TakeSwitch(attrs, "push-by-digest", out.push_by_digest));
  BK_RETURN_IF_ERROR(TakeSwitch(attrs, "registry.insecure", out.insecure));
  BK_RETURN_IF_ERROR(TakeSwitch(attrs, "unpack", out.unpack));
  BK_RETURN_IF_ERROR(TakeSwitch(attrs, "store", out.store));
  BK_RETURN_IF_ERROR(TakeSwitch(attrs, "unsafe-internal-store-allow-incomplete", out.store_incomplete));
  BK_RETURN_IF_ERROR(TakeSwitch(attrs, "danging-name-empty-only", out.dangling_empty_only));  // spelled so on the wire (trap 25)
  BK_RETURN_IF_ERROR(TakeSwitch(attrs, "name-canonical", out.name_canonical));
  if (auto it = attrs.find("dangling-name-prefix"); it != attrs.end()) {
    out.dangling_prefix = it->second;
    attrs.erase(it);
  }
  return out;
}

class ImageInstance : public ExporterInstance {
 public:
  ImageInstance(const ExporterParts& parts, ImageOptions options, ImageSwitches switches, TextMap extra)
      : parts_(parts), options_(std::move(options)), switches_(std::move(switches)), extra_(std::move(extra)) {}

  std::string Name() const override { return "exporting to image"; }
  std::string Type() const override { return "image"; }
  CompressionChoice Compression() const override { return options_.compression; }

  absl::StatusOr<ExportOutcome> Export(const CancelToken& cancel, const Result& given, const ExportContext& context) override {
    Result result = given;
    ImageOptions options = options_;
    BK_RETURN_IF_ERROR(MergeMetadata(extra_, result, options));
    BK_RETURN_IF_ERROR(options.SetDefaults(context.compatibility_version, Type()));
    BK_TRY(MadeImage image, MakeImage(cancel, parts_, result, options, context.fetch));
    ExportOutcome outcome;
    outcome.response = ImageResponse(image);
    outcome.descriptors = {image.root.descriptor};
    bool canonical = switches_.name_canonical;
    std::string names = Names(result, image, canonical);
    if (names.empty()) return outcome;
    outcome.response["image.name"] = names;
    std::vector<std::string> targets = SplitNames(names);
    if (parts_.leases != nullptr && switches_.store) {
      for (const std::string& name : targets) BK_RETURN_IF_ERROR(Keep(cancel, result, options, image, name, canonical, context.fetch));
    }
    if (switches_.push) BK_RETURN_IF_ERROR(PushAll(cancel, image, targets, context.fetch));
    return outcome;
  }

 private:
  // What the image is to be called; a dangling name has a digest, so that no canonical one is added.
  std::string Names(const Result& result, const MadeImage& image, bool& canonical) const {
    std::string names = options_.name;
    if (auto given = result.metadata.find("image.name"); names == "*" && given != result.metadata.end()) names = given->second;
    if (switches_.dangling_prefix.empty() || (switches_.dangling_empty_only && !names.empty())) return names;
    std::string dangling = StrCat(switches_.dangling_prefix, "@", image.root.descriptor.digest.str());
    if (!names.empty()) return StrCat(names, ",", dangling);
    canonical = false;
    return dangling;
  }

  absl::Status Keep(const CancelToken& cancel, const Result& result, const ImageOptions& options, const MadeImage& image, const std::string& name, bool canonical, const cache::FetchContext& fetch) {
    auto task = fetch.progress.Start("naming to " + name);
    // What is pushed is whole where it is pushed to: a layer that nothing here needed stays at its origin.
    if (!switches_.store_incomplete && !switches_.push) BK_RETURN_IF_ERROR(image.FetchLazy(cancel, fetch));
    std::set<Digest> kept;
    for (const std::vector<Descriptor>& list : {image.Blobs(), image.Manifests()}) {
      for (const Descriptor& blob : list) {
        if (!parts_.content->Has(blob.digest)) continue;
        BK_RETURN_IF_ERROR(parts_.content->Sync(blob.digest));
        kept.insert(blob.digest);
      }
    }
    BK_RETURN_IF_ERROR(parts_.leases->Replace(lease::kImagePrefix + name, kept));
    if (canonical && name.find('@') == std::string::npos) {
      BK_RETURN_IF_ERROR(parts_.leases->Replace(StrCat(lease::kImagePrefix, name, "@", image.root.descriptor.digest.str()), kept));
    }
    return switches_.unpack ? Unpack(cancel, result, options, name, fetch) : absl::OkStatus();
  }

  // Makes the snapshots of this machine's platform, if the image has it.
  absl::Status Unpack(const CancelToken& cancel, const Result& result, const ImageOptions& options, const std::string& name, const cache::FetchContext& fetch) {
    if (options.rewrite_timestamp) return InvalidArgument("exporter option \"rewrite-timestamp\" conflicts with \"unpack\"");
    BK_TRY(std::vector<ResultPlatform> platforms, PlatformsOf(result.metadata));
    Platform host = NormalizePlatform(HostPlatform());
    const ResultPlatform* best = nullptr;
    for (const ResultPlatform& platform : platforms) {
      if (!PlatformMatches(host, platform.platform, true)) continue;
      if (best == nullptr || PlatformLess(host, platform.platform, best->platform, true)) best = &platform;
    }
    if (best == nullptr) return absl::OkStatus();
    bool found = false;
    cache::ImmutablePtr ref = FindRef(result, best->id, &found);
    if (ref == nullptr) return absl::OkStatus();
    auto task = fetch.progress.Start("unpacking to " + name);
    return ref->Extract(cancel, fetch);
  }

  // Names of one repository go together: what it lacks is found out and sent once.
  absl::Status PushAll(const CancelToken& cancel, const MadeImage& image, std::vector<std::string> names, const cache::FetchContext& fetch) {
    while (!names.empty()) {
      std::string first = names[0];
      auto ref = ImageReference::Parse(first);
      if (!ref.ok()) return Annotate(ref.status(), StrCat("failed to push ", first));
      names.erase(names.begin());
      std::vector<std::string> more_tags;
      std::erase_if(names, [&](const std::string& name) {
        auto other = ImageReference::Parse(name);
        bool together = other.ok() && !switches_.push_by_digest && other->name() == ref->name() && other->digest().empty() && ref->digest().empty();
        if (together) more_tags.push_back(other->WithDefaultTag().tag());
        return together;
      });
      if (absl::Status pushed = Push(cancel, image, first, std::move(more_tags), fetch); !pushed.ok()) return Annotate(pushed, StrCat("failed to push ", first));
    }
    return absl::OkStatus();
  }

  absl::Status Push(const CancelToken& cancel, const MadeImage& image, const std::string& name, std::vector<std::string> more_tags, const cache::FetchContext& fetch) {
    if (parts_.registry == nullptr) return FailedPrecondition("no registry client is configured");
    registry::PushRequest request;
    request.ref = name;
    request.more_tags = std::move(more_tags);
    request.insecure = switches_.insecure;
    request.push_by_digest = switches_.push_by_digest;
    request.blobs = image.Blobs();
    request.manifests = image.Manifests();
    request.fetch = [&](const CancelToken& stop, const Descriptor& blob) { return image.FetchOne(stop, fetch, blob.digest); };
    return parts_.registry->Push(cancel, fetch, request);
  }

  const ExporterParts parts_;
  const ImageOptions options_;
  const ImageSwitches switches_;
  const TextMap extra_;
};

class ImageExporter : public Exporter {
 public:
  explicit ImageExporter(const ExporterParts& parts) : parts_(parts) {}
  absl::StatusOr<std::unique_ptr<ExporterInstance>> Resolve(const std::map<std::string, std::string>& given) override {
    TextMap attrs = given;
    BK_TRY(ImageOptions options, ImageOptions::Take(attrs));
    BK_TRY(ImageSwitches switches, TakeSwitches(attrs));
    return std::make_unique<ImageInstance>(parts_, std::move(options), std::move(switches), std::move(attrs));
  }

 private:
  const ExporterParts parts_;
};

}  // namespace

std::unique_ptr<Exporter> MakeImageExporter(const ExporterParts& parts) { return std::make_unique<ImageExporter>(parts); }

}  // namespace bk::exporter
