// Runs the command as the child's child: signals passed on, orphans reaped, everything ended with it.
#pragma once

#include <string>
#include <vector>

#include "base/status.h"
#include "rootlesskit/stage/options.h"
#include "rootlesskit/stage/protocol.h"

namespace bk::rootlesskit {

// Blocks until the command has ended and returns its waitpid(2) status. When `channel` ends (the parent
// is gone), ends everything at once: Unavailable. The error of a command that cannot be started has Go's words.
absl::StatusOr<int> RunCommand(const Options& options, const Channel& channel);

// The stage between child and command for sockets of systemd: LISTEN_PID has to be the command's own pid, which only the
// process itself knows. Sets it and becomes the command; returns only on failure.
absl::Status ActivateCommand(const std::vector<std::string>& command);

}  // namespace bk::rootlesskit
