// Where the daemon is: the address given, or the place where one is likely to listen.
//
// Differs from the reference in one point: without an address the socket of the user's own daemon (below XDG_RUNTIME_DIR)
// is taken when the system's is not there. Thread-safe.
#pragma once

#include <string>
#include <vector>

#include "base/status.h"

namespace bk::client {

struct Address {
  std::string text;         // as given
  std::string socket_path;  // unix://, else empty
  std::string target;       // what gRPC dials; "" for helpers
  std::string authority;    // of the HTTP/2 requests
  std::string host = "";    // without port: the name that a certificate must have
  std::vector<std::string> helper = {};  // program and arguments whose stdin and stdout are the connection
};

// unix:///PATH, tcp://HOST:PORT, and those of helpers: docker-container://, podman-container://, nerdctl-container://,
// kube-pod://, ssh://. Pure.
absl::StatusOr<Address> ParseAddress(const std::string& text);

// BUILDKIT_HOST; else the system's socket if it exists; else the one in XDG_RUNTIME_DIR if it exists; else the system's.
std::string DefaultAddress();

}  // namespace bk::client
