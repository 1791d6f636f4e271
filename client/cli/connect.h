// The daemon that the global flags name; with --daemonless a private one, which ends with the connection.
#pragma once

#include <memory>

#include "base/flags.h"
#include "client/conn/connection.h"

namespace bk::client {

// Waits for it with --wait. Unimplemented for flags that are not built.
absl::StatusOr<std::unique_ptr<Connection>> Connect(const CancelToken& cancel, const flags::Values& values);

}  // namespace bk::client
