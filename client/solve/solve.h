// One build from the client's side: session, Control.Solve, the gateway's part and the progress stream, side by side.
//
// Blocks until all four ended; nothing is left running. On cancellation the build is cancelled, the daemon's last progress
// messages are still waited for (a few seconds at most). See docs/wire.md.
#pragma once

#include <functional>

#include "client/conn/connection.h"
#include "client/solve/options.h"
#include "control/control.pb.h"

namespace bk::client {

using StatusSink = std::function<void(const moby::buildkit::v1::StatusResponse&)>;

// `on_status` is called from one thread at a time. Errors carry the daemon's typed details, with messages as shown to users.
absl::StatusOr<SolveResult> Solve(const CancelToken& cancel, const Connection& connection, SolveOptions options, const StatusSink& on_status);

}  // namespace bk::client
