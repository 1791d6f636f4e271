// The daemon that the global flags name.
#pragma once

#include <memory>

#include "base/flags.h"
#include "client/conn/connection.h"

namespace bk::client {

// Waits for it with --wait. Unimplemented for flags that are not built.
absl::StatusOr<std::unique_ptr<Connection>> Connect(const CancelToken& cancel, const flags::Values& values);
absl::StatusOr<std::unique_ptr<Connection>> ConnectTo(const CancelToken& cancel, const flags::Values& values, const std::string& address);

}  // namespace bk::client
