// Decodes one LLB operation as the reference's decoder does: stricter than protobuf's own C++ parser about wire types.
//
// Thread-safe (functions).
#pragma once

#include <string_view>

#include "base/status.h"
#include "llb/ops.pb.h"

namespace bk::llb {

// Unknown `failed to parse llb proto op: …` for bytes that are no op, `string field contains invalid UTF-8` for an op
// that cannot be encoded again.
absl::StatusOr<pb::Op> DecodeOp(std::string_view bytes);

}  // namespace bk::llb
