// What a frontend's result says about platforms and refs (reference: result.Result, exptypes.ParsePlatforms).
//
// Values; thread-safe.
#pragma once

#include <vector>

#include "base/platform.h"
#include "daemon/exporter/exporter.h"

namespace bk::exporter {

struct ResultPlatform {
  std::string id;
  Platform platform;  // normalised
};

// Of "refs.platforms", or else the configuration's, or else this machine's. `invalid empty platforms index for exporter`, …
absl::StatusOr<std::vector<ResultPlatform>> PlatformsOf(const std::map<std::string, std::string>& metadata);

// The ref of a platform; `*found` false if a map has none (the only one of a map counts for every platform).
cache::ImmutablePtr FindRef(const Result& result, const std::string& platform_id, bool* found);
// All that are not empty.
std::vector<cache::ImmutablePtr> AllRefs(const Result& result);

// "KEY/PLATFORM" or "KEY" of the metadata; "" if neither is there.
std::string PlatformValue(const std::map<std::string, std::string>& metadata, const std::string& key, const std::string& platform_id);

inline constexpr char kPlatformsKey[] = "refs.platforms";
inline constexpr char kConfigKey[] = "containerimage.config";
inline constexpr char kBaseConfigKey[] = "containerimage.base.config";

}  // namespace bk::exporter
