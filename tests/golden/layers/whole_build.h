// layers/export by the product's own daemon and client: results that are files, where a build is the input.
#pragma once

#include "tests/golden/support/runner.h"

namespace bk::golden::layers {

// Builds the case's Dockerfile in its context and compares the archive, the directory or the error that the client has.
absl::Status RunWholeBuild(const Json& c);

}  // namespace bk::golden::layers
