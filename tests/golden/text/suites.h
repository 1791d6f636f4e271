// The suites of area text, one function a file.
#pragma once

#include "tests/golden/support/runner.h"

namespace bk::golden::text {

absl::Status RunErrors(const Json& c, const std::string& dir);
absl::Status RunReference(const Json& c, const std::string& dir);
absl::Status RunPlatform(const Json& c, const std::string& dir);

}  // namespace bk::golden::text
