// Steps that are refused before an executor sees them: built from LLB by the product's own daemon and client.
#pragma once

#include "tests/golden/support/runner.h"

namespace bk::golden::exec {

// Compares what the client says last with `error`. `with_devices`: the daemon offers any.
absl::Status ExpectRefusedByDaemon(const Json& input, const std::string& error, bool with_devices = true);

}  // namespace bk::golden::exec
