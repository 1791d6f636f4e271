// Dockerfile → LLB and image configuration, for one platform; checks and an outline of it on the way.
//
// The order of work: parse, global arguments, stages and what they need, base images, then every needed stage's
// instructions. Reference: frontend/dockerfile/dockerfile2llb. One call at a time a BuildContext.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "daemon/frontend/dockerfile/convert/build_context.h"
#include "daemon/frontend/dockerfile/convert/image_config.h"
#include "daemon/frontend/dockerfile/convert/outline.h"

namespace bk::dockerfile {

struct ConvertInput {
  const llb::SourceMap* source = nullptr;  // the Dockerfile; outlives the call
  BuildContext* context = nullptr;
  std::optional<Platform> target_platform;           // none: the builder's own, or the base image's
  std::function<bool(std::string_view)> supports;    // an LLB capability
  LintSink* findings = nullptr;  // of checks; null: none are made
  bool all_stages = false;       // look into stages that the target does not need, too
  bool outline = false;          // fill Converted::outline
};

struct Converted {
  pb::Definition definition;
  ImageConfig image;
  std::optional<ImageConfig> base_image;
  std::optional<int64_t> epoch;  // seconds, from SOURCE_DATE_EPOCH
  Outline outline;
};

// Errors in the Dockerfile carry their places (Locations).
absl::StatusOr<Converted> Convert(const ConvertInput& input);

}  // namespace bk::dockerfile
