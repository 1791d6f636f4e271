// --metadata-file and --ref-file: what a build answered, for scripts.
#pragma once

#include <string>

#include "client/solve/options.h"

namespace bk::client {

// The answers as a JSON object, keys sorted; values that are base64 of a JSON object become that object. Pure.
std::string MetadataJson(const Attributes& response);
// Temporary file beside it, then rename: readers see all of it or nothing.
absl::Status WriteOutputFile(const std::string& path, const std::string& text);

}  // namespace bk::client
