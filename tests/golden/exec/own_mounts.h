// Mounts of the suites are seen by this process alone; an ordinary user gets them in a user namespace.
#pragma once

#include "base/status.h"

namespace bk::golden::exec {

absl::Status OwnMounts();

}  // namespace bk::golden::exec
