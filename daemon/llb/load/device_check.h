// Which devices of a step it may have (EXE-074).
#pragma once

#include "base/status.h"
#include "daemon/llb/load/entitlement_set.h"
#include "llb/ops.pb.h"
#include "sandbox/cdi/registry.h"

namespace bk::llb {

// Puts the whole names of the devices that the step gets in place of what it asks for, aliases and classes resolved; optional
// ones that are not there vanish. Unknown with the reference's texts for one that is not there or not allowed. `registry`:
// null if the daemon offers no devices.
absl::Status CheckDevices(pb::ExecOp& op, const EntitlementSet& granted, cdi::Registry* registry);

}  // namespace bk::llb
