// Listening TCP sockets, for addresses as Go's net.Listen takes them: "127.0.0.1:1234", "[::1]:1234", ":1234", "host:service".
#pragma once

#include <string>

#include "base/os/unique_fd.h"
#include "base/status.h"

namespace bk::app {

struct HostPort {
  std::string host, port;  // without brackets
};
// InvalidArgument "address X: missing port in address" and the like. Pure.
absl::StatusOr<HostPort> SplitHostPort(const std::string& text);

// Non-blocking, listening; errors begin with "listen tcp". A name is looked up (this may block).
absl::StatusOr<os::UniqueFd> ListenTcp(const std::string& text);

// "127.0.0.1:43211": where a TCP socket is bound; "" for other sockets.
std::string TcpName(int fd);
// What a connection of it needs: small messages leave at once, and a peer that vanished is noticed.
void PrepareTcpConnection(int fd);

}  // namespace bk::app
