// The daemon's socket on stdin and stdout, for clients on other machines.
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "base/os/file.h"
#include "client/cli/verbs.h"
#include "client/conn/address.h"

namespace bk::client {
namespace {

constexpr size_t kBufferBytes = 64 << 10;

absl::StatusOr<os::UniqueFd> Dial(const std::string& text) {
  BK_TRY(Address address, ParseAddress(text));
  if (address.socket_path.empty()) return InvalidArgument("invalid address ", text, " (expected unix://)");
  sockaddr_un name{};
  name.sun_family = AF_UNIX;
  if (address.socket_path.size() >= sizeof name.sun_path) return InvalidArgument("socket path ", Quote(address.socket_path), " is too long");
  std::memcpy(name.sun_path, address.socket_path.data(), address.socket_path.size());
  os::UniqueFd fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!fd || connect(fd.get(), reinterpret_cast<sockaddr*>(&name), sizeof name) != 0) {
    return ErrnoError(errno, StrCat("dial unix ", address.socket_path, ": connect"));
  }
  return fd;
}

// Moves what there is; false at the end of `from`.
absl::StatusOr<bool> Move(int from, int to, std::string& buffer) {
  buffer.resize(kBufferBytes);
  ssize_t n = read(from, buffer.data(), buffer.size());
  if (n < 0 && errno == EINTR) return true;
  if (n < 0) return ErrnoError(errno, "read");
  if (n == 0) return false;
  BK_RETURN_IF_ERROR(os::WriteAll(to, std::string_view(buffer).substr(0, static_cast<size_t>(n))));
  return true;
}

absl::Status Run(const CancelToken& cancel, const flags::Values& values) {
  BK_TRY(os::UniqueFd socket, Dial(values.String("addr")));
  std::string buffer;
  pollfd fds[3] = {{STDIN_FILENO, POLLIN, 0}, {socket.get(), POLLIN, 0}, {cancel.fd(), POLLIN, 0}};
  while (true) {
    if (poll(fds, 3, -1) < 0 && errno != EINTR) return ErrnoError(errno, "poll");
    BK_RETURN_IF_ERROR(cancel.Check());
    if (fds[0].revents != 0) {
      BK_TRY(bool more, Move(STDIN_FILENO, socket.get(), buffer));
      if (!more) {
        shutdown(socket.get(), SHUT_WR);
        fds[0].fd = -1;  // the daemon's answers still come
      }
    }
    if (fds[1].revents != 0) {
      BK_TRY(bool more, Move(socket.get(), STDOUT_FILENO, buffer));
      if (!more) return absl::OkStatus();
    }
  }
}

}  // namespace

flags::Command MakeDialStdio(const CancelToken& cancel) {
  flags::Command command{"dial-stdio", {}, "Proxy the stdio stream to the daemon connection. Should not be invoked manually."};
  command.hidden = true;
  command.action = [cancel](const flags::Values& values) { return Run(cancel, values); };
  return command;
}

}  // namespace bk::client
