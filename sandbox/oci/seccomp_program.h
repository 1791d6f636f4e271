// The default profile compiled to the kernel's filter program, as a runtime would do it for every step anew.
//
// libseccomp needs some 12 ms for the profile, more than crun for all the rest of a step. Thread-safe.
#pragma once

#include <string>

#include "base/status.h"
#include "sandbox/oci/seccomp_profile.h"

namespace bk::oci {

// Instructions of seccomp(2), 8 bytes each. Compiled once a context and kept for the process's life.
absl::StatusOr<std::string> SeccompProgram(const SeccompContext& context);

}  // namespace bk::oci
