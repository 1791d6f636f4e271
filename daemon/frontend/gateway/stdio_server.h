// The gRPC server of one frontend container, on a socket that is the container's standard input and output: LLBBridge and
// health, HTTP/2 in plain text.
#pragma once

#include <memory>

#include "base/os/unique_fd.h"
#include "daemon/frontend/gateway/bridge_service.h"

namespace bk::frontend::gateway {

class StdioServer {
 public:
  static absl::StatusOr<std::unique_ptr<StdioServer>> Start(std::shared_ptr<Forwarder> forwarder, BridgeService::ForClients for_clients);
  // Closes the forwarder: its calls end.
  ~StdioServer();
  // The other end, until it is given away.
  os::UniqueFd TakeClientEnd() { return std::move(client_end_); }

 private:
  struct Parts;
  StdioServer() = default;

  std::unique_ptr<Parts> parts_;
  os::UniqueFd client_end_;
};

}  // namespace bk::frontend::gateway
