// The suites of golden/layers, one function a case file. Run as root.
#pragma once

#include "tests/golden/support/runner.h"

namespace bk::golden::layers {

absl::Status RunApply(const Json& c, const std::string& file_dir);
absl::Status RunCompression(const Json& c, const std::string& file_dir);
absl::Status RunDiff(const Json& c, const std::string& file_dir);
absl::Status RunExport(const Json& c, const std::string& file_dir);
absl::Status RunReproducible(const Json& c, const std::string& file_dir);
absl::Status RunMergeDiff(const Json& c, const std::string& file_dir);

}  // namespace bk::golden::layers
