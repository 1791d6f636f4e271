// Which files of an input count for a step, with the digests that are known of them: for those who explain what changed.
#pragma once

#include <functional>
#include <string>

#include "daemon/solver/op.h"
#include "llb/ops.pb.h"

namespace bk::ops {

// Calls `see` for files, links and directories ("dir/") of `result` below what `op` selects of its input `input`, sorted by
// path, until it returns false. Reads no file: what was never asked for has no digest.
void VisitContentFiles(const pb::Op& op, size_t input, const solver::ResultPtr& result, const std::function<bool(const std::string& path, const std::string& digest)>& see);

}  // namespace bk::ops
