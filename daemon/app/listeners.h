// The daemon's listening sockets: unix ones made with the right owner and mode, TCP ones, or those taken over from systemd (fd://).
//
// Accepted connections are handed to a gRPC server by one thread. A socket file that somebody answers on is never taken
// away; one that nobody answers on is replaced.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "base/os/unique_fd.h"
#include "base/status.h"

namespace bk::app {

struct SocketOwner {
  std::optional<uint32_t> uid, gid;
};

class Listeners {
 public:
  Listeners() = default;
  ~Listeners();
  Listeners(const Listeners&) = delete;
  Listeners& operator=(const Listeners&) = delete;

  // "unix:///path" (mode 0660, its directory made), "tcp://host:port", "fd://" (all that systemd passed) or "fd://N". The error
  // names the address and the fix.
  absl::Status Add(const std::string& address, const SocketOwner& owner);
  struct Connection {
    int listening_fd, fd;  // fd: non-blocking, close-on-exec; the receiver's
    bool tcp;
  };
  // Hands every accepted connection to `serve` on a thread of its own.
  absl::Status Start(std::function<void(const Connection&)> serve);
  // What is listened on, for the log; of TCP sockets the place they got.
  std::vector<std::string> Addresses() const;
  // Those of them that anybody who reaches the machine may try.
  std::vector<std::string> TcpAddresses() const;
  // No more connections; removes the socket files made by Add.
  void Stop();

 private:
  absl::Status AddUnix(const std::string& path, const SocketOwner& owner);
  absl::Status AddPassed(const std::string& which);
  void AcceptLoop(const std::function<void(const Connection&)>& serve);

  struct Listener {
    os::UniqueFd fd;
    std::string path;  // removed at the end; "" = not ours
    std::string address;
    bool tcp = false;
  };
  std::vector<Listener> listeners_;
  os::UniqueFd stop_read_, stop_write_;
  std::thread thread_;
};

}  // namespace bk::app
