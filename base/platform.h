// Platforms: "linux/arm64/v8" and its parts, normalising, matching with variants (golden text/platform).
//
// Rules: containerd/platforms. Thread-safe (values).
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"

namespace bk {

struct Platform {
  std::string os, architecture, variant, os_version;
  std::vector<std::string> os_features;
  bool operator==(const Platform&) const = default;
  bool empty() const { return os.empty() && architecture.empty(); }
};

absl::StatusOr<Platform> ParsePlatform(std::string_view text);
std::string FormatPlatform(const Platform& platform);     // "linux/arm64/v8"; os version is left out
std::string FormatPlatformAll(const Platform& platform);  // with (osversion)
Platform NormalizePlatform(Platform platform);
// What this machine is (normalised).
Platform HostPlatform();
// Whether an image made for `offered` runs where `wanted` is asked for. `only` also accepts compatible older variants.
bool PlatformMatches(const Platform& wanted, const Platform& offered, bool only);
// Of two offers that both match, whether `a` is nearer to `wanted` than `b`.
bool PlatformLess(const Platform& wanted, const Platform& a, const Platform& b, bool only);

}  // namespace bk
