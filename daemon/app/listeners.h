// The daemon's listening sockets: made with the right owner and mode, or taken over from systemd (fd://).
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

  // "unix:///path" (mode 0660, its directory made), "fd://" (all that systemd passed) or "fd://N". The error names the address
  // and the fix; tcp:// is refused ("not built yet").
  absl::Status Add(const std::string& address, const SocketOwner& owner);
  // Hands every accepted connection (non-blocking, close-on-exec) to `serve(listening fd, connection fd)` on a thread of its own.
  absl::Status Start(std::function<void(int, int)> serve);
  // No more connections; removes the socket files made by Add.
  void Stop();

 private:
  absl::Status AddUnix(const std::string& path, const SocketOwner& owner);
  absl::Status AddPassed(const std::string& which);
  void AcceptLoop(const std::function<void(int, int)>& serve);

  struct Listener {
    os::UniqueFd fd;
    std::string path;  // removed at the end; "" = not ours
  };
  std::vector<Listener> listeners_;
  os::UniqueFd stop_read_, stop_write_;
  std::thread thread_;
};

}  // namespace bk::app
