// How a build's progress is shown: one display a build, made by mode, fed with the daemon's status messages.
//
// Modes: "auto" (tty on a terminal, else plain), "tty", "plain", "rawjson" (one JSON object a message), "quiet" and "none"
// (nothing). The output belongs to the display until Finish. Update and Finish may be called from any thread, one at a time
// for a display. "plain" and "tty" have a thread of their own, which redraws while no message comes; it ends with Finish.
#pragma once

#include <cstdio>
#include <memory>
#include <string>

#include "base/status.h"
#include "control/control.pb.h"

namespace bk::client {

class Display {
 public:
  virtual ~Display() = default;
  virtual void Update(const moby::buildkit::v1::StatusResponse& status) = 0;
  // No more messages come; draws what is left (error logs, warnings). `status` is the build's outcome.
  virtual void Finish(const absl::Status& status) = 0;
};

// InvalidArgument `invalid progress mode X`; FailedPrecondition if a terminal is asked for and `tty_fd` (that of `out`, or
// -1) is none. BUILDKIT_PROGRESS is the caller's business.
// What the environment says of colours and pace (settings.h) is read here; complaints about it are the caller's business too.
absl::StatusOr<std::unique_ptr<Display>> MakeDisplay(const std::string& mode, std::FILE* out, int tty_fd);

// Clocks of daemon and client may differ: all times of later messages are moved by `difference_ns` (client − daemon).
// Returns the message with its times moved.
void ShiftTimes(moby::buildkit::v1::StatusResponse& status, int64_t difference_ns);

}  // namespace bk::client
