// A language that becomes LLB. One row each in daemon/frontend/table.cc: dockerfile.v0 (built in), gateway.v0 (images).
#pragma once

#include "daemon/frontend/bridge.h"

namespace bk::frontend {

class Frontend {
 public:
  virtual ~Frontend() = default;
  virtual absl::StatusOr<Result> Solve(const CancelToken& cancel, Bridge& bridge, const std::map<std::string, std::string>& opts,
                                       const std::map<std::string, std::shared_ptr<const pb::Definition>>& inputs) = 0;
};

}  // namespace bk::frontend
