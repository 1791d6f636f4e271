// A pseudo terminal (pty(7)): one end for a program that expects a terminal, the other one to drive it.
#pragma once

#include "base/os/unique_fd.h"
#include "base/status.h"

namespace bk::os {

struct Pty {
  UniqueFd master, slave;  // close-on-exec; the slave is nobody's controlling terminal
};
absl::StatusOr<Pty> OpenPty();
// Whoever has it as terminal must be told by SIGWINCH, unless it is its controlling terminal.
absl::Status SetWindowSize(int master, unsigned short rows, unsigned short columns);

}  // namespace bk::os
