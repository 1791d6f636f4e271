// The transport of the file-transfer protocol: fsutil.types.Packet messages both ways, whatever carries them.
#pragma once

#include "base/status.h"
#include "fsutil/fsutil.pb.h"

namespace bk::fsutil {

using Packet = ::fsutil::types::Packet;
using Stat = ::fsutil::types::Stat;

// One thread may send while another receives.
class Stream {
 public:
  virtual ~Stream() = default;
  virtual absl::Status Send(const Packet& packet) = 0;
  // False at the clean end of the peer's stream.
  virtual absl::StatusOr<bool> Receive(Packet& packet) = 0;
  // Half-closes our side (client streams only) and waits for the peer's status.
  virtual absl::Status Finish() = 0;
  virtual void Cancel() = 0;  // breaks both directions now
};

}  // namespace bk::fsutil
