// What can be said before anything is started: warnings, and settings of the kernel that forbid user namespaces.
#pragma once

#include <string>
#include <string_view>

#include "base/status.h"
#include "rootlesskit/stage/options.h"

namespace bk::rootlesskit {

// Warns about root, a low limit of user namespaces, and a propagation that the root mount does not support.
// kNoUserNamespace where a sysctl forbids user namespaces.
absl::Status CheckPreflight(const Options& options);
// What a failed start of the child means, cause and fix in it.
absl::Status UserNamespaceRefused(const absl::Status& refusal);

// The optional fields of the first mount on / in the text of /proc/self/mountinfo ("shared:1"); NotFound without one.
absl::StatusOr<std::string> RootPropagation(std::string_view mountinfo);

}  // namespace bk::rootlesskit
