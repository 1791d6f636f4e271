#include "base/os/pty.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/ioctl.h>

#include <cerrno>

namespace bk::os {

absl::StatusOr<Pty> OpenPty() {
  Pty pty;
  pty.master = UniqueFd(posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC));
  if (!pty.master) return ErrnoError(errno, "open /dev/ptmx");
  if (grantpt(pty.master.get()) < 0 || unlockpt(pty.master.get()) < 0) return ErrnoError(errno, "unlock the pseudo terminal");
  // Without its name, which may belong to another mount of devpts (ioctl_tty(2), TIOCGPTPEER).
  pty.slave = UniqueFd(ioctl(pty.master.get(), TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC));
  if (!pty.slave) return ErrnoError(errno, "open the pseudo terminal");
  return pty;
}

absl::Status SetWindowSize(int master, unsigned short rows, unsigned short columns) {
  struct winsize size = {rows, columns, 0, 0};
  if (ioctl(master, TIOCSWINSZ, &size) < 0) return ErrnoError(errno, "set the size of the terminal");
  return absl::OkStatus();
}

}  // namespace bk::os
