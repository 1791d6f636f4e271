// Whether a build's result is for the platforms that were asked for; if not, what to warn of.
//
// Pure; thread-safe. Reference: exporter/verifier.
#pragma once

#include <optional>
#include <string>

#include "daemon/exporter/result.h"

namespace bk::exporter {

// `requested`: the frontend's option "platform" (a comma list; without it this machine's platform). Warnings in the
// reference's words. Fails as PlatformsOf does.
absl::StatusOr<std::vector<std::string>> CheckPlatforms(const std::optional<std::string>& requested, const Result& result);

}  // namespace bk::exporter
