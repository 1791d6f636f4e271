// The transport of the file-transfer protocol: fsutil.types.Packet messages both ways, whatever carries them.
#pragma once

#include "base/status.h"
#include "fsutil/fsutil.pb.h"

namespace bk::fsutil {

using Packet = ::fsutil::types::Packet;
using Stat = ::fsutil::types::Stat;

// Belongs to one thread; any may cancel. Packets of the peer never keep Send from going on: what it has no room for waits
// until Receive is called.
class Stream {
 public:
  virtual ~Stream() = default;
  // The packet may be held back until Receive has to wait, Flush or Finish, so that small ones travel together.
  virtual absl::Status Send(const Packet& packet) = 0;
  virtual absl::Status Flush() { return absl::OkStatus(); }
  // False at the clean end of the peer's stream.
  virtual absl::StatusOr<bool> Receive(Packet& packet) = 0;
  // Receive has a packet already. A transport that cannot tell says false and takes any number of packets meanwhile.
  virtual bool Pending() { return false; }
  // Half-closes our side (client streams only) and waits for the peer's status.
  virtual absl::Status Finish() = 0;
  virtual void Cancel() = 0;  // breaks both directions now
};

}  // namespace bk::fsutil
