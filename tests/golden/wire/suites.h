// The suites of golden/wire, one function a case file. Run as root.
#pragma once

#include "tests/golden/support/runner.h"

namespace bk::golden::wire {

absl::Status RunFsutil(const Json& c, const std::string& file_dir);

}  // namespace bk::golden::wire
