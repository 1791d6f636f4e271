// FROM: what a stage starts with.
#include "base/reference.h"
#include "base/suggest.h"
#include "base/task_group.h"
#include "daemon/frontend/dockerfile/convert/conversion.h"

namespace bk::dockerfile {
namespace {

std::vector<std::string> CommonImages() {
  std::vector<std::string> names;
  for (std::string name : {"alpine", "busybox", "centos", "debian", "golang", "ubuntu", "fedora"}) {
    for (const std::string& one : {name, "docker.io/library" + name}) names.insert(names.end(), {one, one + ":latest"});
  }
  return names;
}

// One image that must be looked up.
struct Lookup {
  StageState* stage;
  std::string written;  // the name in the Dockerfile
  ImageReference ref;
  Platform platform;
  absl::StatusOr<frontend::Bridge::ImageConfig> answer = absl::UnknownError("not asked");
};

void Ask(const Conversion& conversion, Lookup& lookup) {
  BuildContext& context = *conversion.input.context;
  frontend::Bridge::ResolveOptions options;
  options.platform = lookup.platform;
  options.resolve_mode = conversion.options.resolve_mode.empty() ? "default" : conversion.options.resolve_mode;
  std::string platform = conversion.options.multi_platform ? FormatPlatformAll(lookup.platform) + " " : "";
  options.log_name = StrCat("[", platform, "internal] load metadata for ", lookup.stage->base_name);
  lookup.answer = context.bridge().ResolveImageConfig(context.cancel(), lookup.stage->base_name, options);
}

// An image without a layer is the empty tree. Old manifests list no layers: their history knows.
bool HasLayers(const ImageConfig& image) {
  if (image.diff_ids && !image.diff_ids->empty()) return true;
  for (size_t i = 0; i < image.history.size(); i++) {
    if (!image.history[i].empty_layer) return true;
  }
  return false;
}

Platform DetectPlatform(const Conversion& conversion, const ImageConfig& image, const Platform& wanted) {
  auto same = [&](const Platform& p) { return p.os == image.platform.os && p.architecture == image.platform.architecture; };
  if (!same(wanted) && same(conversion.build_platform)) return conversion.build_platform;
  return wanted;
}

// Takes the answer over. True if the image has layers.
absl::StatusOr<bool> TakeAnswer(Conversion& conversion, Lookup& lookup) {
  StageState& stage = *lookup.stage;
  if (!lookup.answer.ok()) {
    std::vector<std::string> known = conversion.stages.ShownNames();
    for (std::string& name : CommonImages()) known.push_back(std::move(name));
    return WithSuggestion(Annotate(lookup.answer.status(), lookup.written), lookup.written, known, true);
  }
  if (lookup.answer->ref != lookup.ref.str()) {
    auto moved = ImageReference::Parse(lookup.answer->ref);
    if (!moved.ok()) return Annotate(moved.status(), StrCat("failed to parse ref ", Quote(lookup.answer->ref)));
    lookup.ref = *std::move(moved);
  }
  auto image = ParseImageConfig(lookup.answer->config);
  if (!image.ok()) return Annotate(image.status(), "failed to parse image config");
  stage.base_image = *image;
  image->created.clear();
  if (!stage.platform && conversion.implicit_target) lookup.platform = DetectPlatform(conversion, *image, lookup.platform);
  if (!lookup.answer->digest.empty()) {
    BK_TRY(Digest digest, Digest::Parse(lookup.answer->digest));
    lookup.ref = lookup.ref.WithDigest(std::move(digest));
  }
  stage.base_name = lookup.ref.str();
  stage.image = *std::move(image);
  return HasLayers(stage.image);
}

void SetState(Conversion& conversion, Lookup& lookup, bool has_layers) {
  StageState& stage = *lookup.stage;
  if (has_layers) {
    llb::ImageOptions options;
    options.resolve_mode = conversion.options.resolve_mode;
    options.op.platform = lookup.platform;
    options.op.description["com.docker.dockerfile.v1.command"] = stage.source_code;
    options.op.Name(PrefixedName(conversion, stage, "FROM " + stage.base_name, lookup.platform, llb::EnvList()));
    options.op.locations.push_back(conversion.LocationOf(stage.location));
    auto ref = ImageReference::Parse(stage.base_name);
    stage.state = llb::Image(conversion.graph, ref.ok() ? ref->WithDefaultTag().str() : stage.base_name, std::move(options));
  } else {
    stage.state = llb::State::Scratch(conversion.graph);
  }
  stage.platform = lookup.platform;
}

}  // namespace

absl::Status ResolveBaseImages(Conversion& conversion, const std::set<StageState*>& reachable) {
  std::vector<Lookup> lookups;
  std::vector<bool> asked;
  for (const auto& owned : conversion.stages.all()) {
    StageState& stage = *owned;
    if (stage.base != nullptr || stage.dispatched || stage.resolved) continue;
    bool needed = reachable.contains(&stage);
    stage.resolved = needed;
    if (stage.is_scratch()) {
      stage.state = llb::State::Scratch(conversion.graph);
      stage.image = EmptyImage(conversion.target_platform);
      stage.platform = conversion.target_platform;
      stage.dispatched = stage.hidden;
      continue;
    }
    std::string written = stage.base_name;
    auto ref = ImageReference::Parse(written);
    if (!ref.ok()) return AddLocation(Annotate(ref.status(), StrCat("failed to parse stage name ", Quote(written))), stage.location);
    stage.base_name = ref->WithDefaultTag().str();
    lookups.push_back({&stage, written, ref->WithDefaultTag(), stage.platform.value_or(conversion.target_platform)});
    asked.push_back(needed);
  }
  if (std::count(asked.begin(), asked.end(), true) == 1) {
    Ask(conversion, lookups[static_cast<size_t>(std::find(asked.begin(), asked.end(), true) - asked.begin())]);
  } else {
    TaskGroup group;
    for (size_t i = 0; i < lookups.size(); i++) {
      if (asked[i]) group.Run([&conversion, &lookup = lookups[i]] { Ask(conversion, lookup); });
    }
  }
  for (size_t i = 0; i < lookups.size(); i++) {
    bool has_layers = true;
    if (asked[i]) {
      auto taken = TakeAnswer(conversion, lookups[i]);
      if (!taken.ok()) return AddLocation(taken.status(), lookups[i].stage->location);
      has_layers = *taken;
    }
    SetState(conversion, lookups[i], has_layers);
    lookups[i].stage->dispatched = lookups[i].stage->hidden;
  }
  return absl::OkStatus();
}

}  // namespace bk::dockerfile
