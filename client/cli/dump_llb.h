// LLB as `debug dump-llb` prints it. Pure.
#pragma once

#include <string>

#include "base/status.h"
#include "llb/ops.pb.h"

namespace bk::client {

// One line of JSON an operation, in the definition's order.
absl::StatusOr<std::string> LlbJsonLines(const pb::Definition& definition);
// The graph in the language of graphviz.
absl::StatusOr<std::string> LlbDot(const pb::Definition& definition);

}  // namespace bk::client
