#include "proto/wire/tunnel.h"

#include <fcntl.h>
#include <sys/socket.h>

#include <cerrno>
#include <mutex>
#include <thread>

namespace bk::wire {
namespace {

constexpr size_t kPieceBytes = 32 << 10;

bool SendAll(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    ssize_t n = send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return false;
    bytes.remove_prefix(static_cast<size_t>(n));
  }
  return true;
}

}  // namespace

absl::StatusOr<TunnelEnds> MakeTunnel() {
  int fds[2];
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) < 0) return ErrnoError(errno, "socketpair");
  fcntl(fds[0], F_SETFL, O_NONBLOCK);
  return TunnelEnds{os::UniqueFd(fds[0]), os::UniqueFd(fds[1])};
}

void Pump(int fd, const std::function<bool(std::string_view)>& send, const std::function<bool(std::string&)>& receive, const std::function<void()>& on_end) {
  std::once_flag once;
  auto end = [&] {
    std::call_once(once, [&] {
      shutdown(fd, SHUT_RDWR);
      on_end();
    });
  };
  std::thread outward([&] {
    std::string buffer(kPieceBytes, '\0');
    while (true) {
      ssize_t n = read(fd, buffer.data(), buffer.size());
      if (n < 0 && errno == EINTR) continue;
      if (n <= 0 || !send(std::string_view(buffer.data(), static_cast<size_t>(n)))) break;
    }
    end();
  });
  std::string bytes;
  while (receive(bytes) && SendAll(fd, bytes)) {
  }
  end();
  outward.join();
}

}  // namespace bk::wire
