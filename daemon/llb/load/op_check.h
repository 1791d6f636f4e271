// What an operation must have to mean something. Two times: what the reference checks when it loads LLB, and what is
// checked before an op is made (enumerations and indexes that a later version might send, hostile 1-3).
//
// Thread-safe (functions).
#pragma once

#include <string>

#include "base/status.h"
#include "daemon/llb/load/device_check.h"
#include "llb/ops.pb.h"

namespace bk::llb {

// Unknown with the reference's texts ("invalid exec op with no args").
absl::Status CheckShape(const pb::Op& op);
// Unknown for a step that asks for more than was granted. `devices`: see CheckDevices.
absl::Status CheckEntitlements(pb::Op& op, const EntitlementSet& granted, cdi::Registry* devices);
// InvalidArgument for values of enumerations that are not known (never taken for the permissive one) and for indexes out
// of range. Inputs of mounts are the exec op's own to check.
absl::Status CheckMeaning(const pb::Op& op);
// The name that the reference gives an op; merge and diff ops are named by the caller (they need their inputs' names).
std::string DefaultName(const pb::Op& op);

}  // namespace bk::llb
