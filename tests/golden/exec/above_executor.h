// Steps that are refused before an executor sees them: built from LLB by the product's own daemon and client.
#pragma once

#include "tests/golden/support/runner.h"

namespace bk::golden::exec {

// Compares what the client says last with `error`.
absl::Status ExpectRefusedByDaemon(const Json& input, const std::string& error);

}  // namespace bk::golden::exec
