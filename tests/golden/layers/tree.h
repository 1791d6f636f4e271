// Directory trees of the layer cases: made by instructions, read back as JSON (golden/layers/README.md).
#pragma once

#include <string>
#include <vector>

#include "tests/golden/support/runner.h"

namespace bk::golden::layers {

// Runs the instructions below `root`, which is trusted, with umask 022.
absl::Status RunOps(const std::string& root, const Json& ops);
// All entries below `root` but itself, sorted by path.
absl::StatusOr<Json> ReadTree(const std::string& root);
// Compares entry by entry; a wanted time "now" fits any of the last minutes.
absl::Status ExpectTree(const std::string& what, const std::string& root, const Json& want);
// The bytes of a base64 text of a gzip stream.
absl::StatusOr<std::string> Gunzip(const std::string& base64);

}  // namespace bk::golden::layers
