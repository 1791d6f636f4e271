// The session tunnel: an HTTP/2 connection inside a bidirectional stream of BytesMessage (trap 2).
//
// gRPC only takes file descriptors, so a socketpair stands between: one end is gRPC's (non-blocking), the other is pumped
// by two threads, 32 KiB a message. When either direction ends the socket is shut down both ways (a half-close hangs for
// good while a write is pending) and the outer call must be cancelled by the owner.
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "base/os/unique_fd.h"
#include "base/status.h"

namespace bk::wire {

struct TunnelEnds {
  os::UniqueFd grpc_end;  // O_NONBLOCK, for gRPC
  os::UniqueFd pump_end;  // blocking, for Pump
};
absl::StatusOr<TunnelEnds> MakeTunnel();

// Moves bytes both ways until one side ends: `send` gives bytes to the outer stream (false: broken), `receive` fills the
// next bytes from it (false: ended). `on_end` is called once when the first direction ends, and must make a blocked
// `receive` return. Blocks until both pumps ended.
void Pump(int fd, const std::function<bool(std::string_view)>& send, const std::function<bool(std::string&)>& receive, const std::function<void()>& on_end);

}  // namespace bk::wire
