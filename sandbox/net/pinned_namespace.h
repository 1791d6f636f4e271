// A network namespace that lives by a bind mount, without a process in it. In a user namespace too. Thread-safe.
#pragma once

#include <string>

#include "base/status.h"

namespace bk::net {

// Makes a network namespace with its loopback interface up and mounts it on `path`, a file that is made.
absl::Status PinNewNamespace(const std::string& path);
// Unmounts and removes what PinNewNamespace made, also where half of it is gone.
absl::Status Unpin(const std::string& path);
// Whether a namespace is mounted there (not after a reboot, say).
bool IsPinned(const std::string& path);
// Whether this process's user namespace owns its network namespace, which is what making interfaces in it takes.
bool OwnsNetwork();
// Removes a bridge interface of this network namespace; nothing if there is none, or if it has ports (of other daemons).
absl::Status RemoveBridge(const std::string& name);

}  // namespace bk::net
