// Configures interfaces of the network namespace we are in, by the kernel's own calls (netdevice(7)); needs CAP_NET_ADMIN there.
#pragma once

#include "base/status.h"
#include "rootlesskit/stage/protocol.h"

namespace bk::rootlesskit {

absl::Status BringUpLoopback();
// Up, MTU, address, default route by the gateway.
absl::Status ConfigureInterface(const NetworkSetup& setup);

}  // namespace bk::rootlesskit
