// Ends TLS for connections that were accepted; gRPC's server gets the bytes through a socketpair.
//
// gRPC's own TLS turns clients away that agree on no protocol by name (ALPN), as docker-buildx. Each connection has a thread, which does
// the handshake (within a time) and then carries bytes both ways, until one side ends.
#pragma once

#include <openssl/types.h>

#include <chrono>
#include <functional>
#include <memory>

#include "base/guarded.h"
#include "base/os/unique_fd.h"
#include "base/status.h"
#include "base/task_group.h"

namespace bk::app {

struct TlsLimits {
  int handshakes = 256, connections = 4096;  // at the same time; more are closed at once
  std::chrono::milliseconds handshake{5000};
  std::chrono::milliseconds last_words{1000};  // for what is still to be sent when gRPC has closed, or the daemon ends
};

class TlsAcceptor {
 public:
  // `serve` gets the plain end of each connection whose handshake is done, non-blocking, on the connection's thread.
  using Serve = std::function<void(int listening_fd, os::UniqueFd plain)>;
  static absl::StatusOr<std::unique_ptr<TlsAcceptor>> Start(std::shared_ptr<SSL_CTX> context, Serve serve, TlsLimits limits = {});
  ~TlsAcceptor() { Stop(); }

  // Does not block. `fd` is non-blocking.
  void Take(int listening_fd, os::UniqueFd fd);
  // Handshakes end at once; connections have the time for last words. Waits for the threads. Take only closes afterwards.
  void Stop();
  int connections() const;

 private:
  TlsAcceptor(std::shared_ptr<SSL_CTX> context, Serve serve, TlsLimits limits) : context_(std::move(context)), serve_(std::move(serve)), limits_(limits) {}
  void Run(int listening_fd, os::UniqueFd fd);

  std::shared_ptr<SSL_CTX> context_;
  const Serve serve_;
  const TlsLimits limits_;
  struct Counts {
    int handshakes = 0, connections = 0;
    bool stopped = false;
  };
  Guarded<Counts> counts_;
  os::UniqueFd stop_read_, stop_write_;
  TaskGroup threads_;  // last: it is waited for first
};

}  // namespace bk::app
