// Names of exported images and the answers that clients get about them.
//
// Pure functions; thread-safe.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "daemon/exporter/image_writer.h"

namespace bk::exporter {

// Parts of a comma-separated list, empty ones included; nothing for "".
std::vector<std::string> SplitNames(const std::string& names);
// Each completed, with the tag "latest" if it has none. `failed to parse X: …`.
absl::StatusOr<std::vector<std::string>> NormalizedNames(const std::string& names);
// "containerimage.digest", "containerimage.config.digest", "containerimage.descriptor".
std::map<std::string, std::string> ImageResponse(const MadeImage& image);
// `options` with the frontend's annotations, and `result` with what the exporter adds to the metadata.
absl::Status MergeMetadata(const TextMap& extra, Result& result, ImageOptions& options);

}  // namespace bk::exporter
