// Package URLs ("pkg:docker/alpine@3.20?platform=linux%2Famd64") of images, as provenance and SBOMs name them.
//
// Form: package-url/purl-spec, written the way packageurl-go writes it. Thread-safe (pure functions).
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/platform.h"

namespace bk {

// `type` is "docker" or "oci". InvalidArgument `failed to parse ref "X": …`.
absl::StatusOr<std::string> ImagePackageUrl(std::string_view type, std::string_view ref, const std::optional<Platform>& platform);

struct PackagedImage {
  std::string ref;  // normalised, with a tag or digest
  std::optional<Platform> platform;
};
absl::StatusOr<PackagedImage> ParseImagePackageUrl(std::string_view purl);

}  // namespace bk
