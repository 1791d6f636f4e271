// The status that a failed step gives to its build: clients expect code Unknown for what the step itself got wrong.
#pragma once

#include "base/status.h"

namespace bk::ops {

// NotFound, AlreadyExists, InvalidArgument, FailedPrecondition, PermissionDenied and Internal become Unknown (the reference
// answers errors of files and secrets so); the rest, text and details stay.
absl::Status BuildError(const absl::Status& status);

}  // namespace bk::ops
