// FROM: what a stage starts with.
#include "base/reference.h"
#include "base/suggest.h"
#include "daemon/frontend/dockerfile/convert/checks.h"
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
  bool needed;  // else only its name matters
};

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
  const BuildContext::ImageAnswer& answer = conversion.input.context->Image({stage.base_name, lookup.platform});
  if (!answer.ok()) {
    std::vector<std::string> known = conversion.stages.ShownNames();
    for (std::string& name : CommonImages()) known.push_back(std::move(name));
    return WithSuggestion(Annotate(answer.status(), lookup.written), lookup.written, known, true);
  }
  if (answer->ref != lookup.ref.str()) {
    auto moved = ImageReference::Parse(answer->ref);
    if (!moved.ok()) return Annotate(moved.status(), StrCat("failed to parse ref ", Quote(answer->ref)));
    lookup.ref = *std::move(moved);
  }
  auto image = ParseImageConfig(answer->config);
  if (!image.ok()) return Annotate(image.status(), "failed to parse image config");
  stage.base_image = *image;
  image->created.clear();
  if (!stage.platform && conversion.implicit_target) lookup.platform = DetectPlatform(conversion, *image, lookup.platform);
  if (!answer->digest.empty()) {
    BK_TRY(Digest digest, Digest::Parse(answer->digest));
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

// The caller's tree in place of the stage, or of its base image. False if there is none.
absl::StatusOr<bool> TakeNamedContext(Conversion& conversion, StageState& stage, const Platform& platform) {
  if (stage.replaced_by) {
    auto asked_for = stage.platform ? stage.platform : conversion.input.target_platform;
    BK_TRY(bool has_image, LoadNamedContext(conversion, stage, *stage.replaced_by, asked_for));
    stage.dispatched = true;
    stage.image.created.clear();
    if (has_image && !stage.image.platform.empty()) stage.platform = stage.image.platform;
    return true;
  }
  BK_TRY(auto context, FindNamedContext(conversion.options, stage.base_name, platform));
  if (!context) return false;
  BK_TRY(bool has_image, LoadNamedContext(conversion, stage, *context, platform));
  if (!has_image) stage.image = EmptyImage(platform);
  stage.base_image = stage.image;
  stage.image.created.clear();
  stage.state = stage.state->SetPlatform(platform);
  stage.platform = platform;
  return true;
}

}  // namespace

absl::Status ResolveBaseImages(Conversion& conversion, const std::set<StageState*>& reachable) {
  std::vector<Lookup> lookups;
  std::set<BuildContext::ImageQuestion> questions;
  for (const auto& owned : conversion.stages.all()) {
    StageState& stage = *owned;
    if (stage.base != nullptr || stage.dispatched || stage.resolved) continue;
    bool needed = conversion.input.all_stages || reachable.contains(&stage);
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
    Platform platform = stage.platform.value_or(conversion.target_platform);
    if (needed) {
      auto replaced = TakeNamedContext(conversion, stage, platform);
      if (!replaced.ok()) return AddLocation(replaced.status(), stage.location);
      if (*replaced) {
        stage.dispatched = stage.dispatched || stage.hidden;
        continue;
      }
    }
    if (needed) questions.insert({stage.base_name, platform});
    lookups.push_back({&stage, written, ref->WithDefaultTag(), platform, needed});
  }
  conversion.input.context->AskForImages(questions);
  for (Lookup& lookup : lookups) {
    bool has_layers = true;
    if (lookup.needed) {
      auto taken = TakeAnswer(conversion, lookup);
      if (!taken.ok()) return AddLocation(taken.status(), lookup.stage->location);
      has_layers = *taken;
    }
    SetState(conversion, lookup, has_layers);
    if (lookup.needed && has_layers) CheckImagePlatform(conversion, *lookup.stage, lookup.written, lookup.platform);
    lookup.stage->dispatched = lookup.stage->hidden;
  }
  return absl::OkStatus();
}

}  // namespace bk::dockerfile
