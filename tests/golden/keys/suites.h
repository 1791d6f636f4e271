// The suites of golden/keys, one function a case file.
#pragma once

#include "tests/golden/support/runner.h"

namespace bk::golden::keys {

absl::Status RunContentHash(const Json& c, const std::string& file_dir);

}  // namespace bk::golden::keys
