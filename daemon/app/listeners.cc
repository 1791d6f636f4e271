#include "daemon/app/listeners.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstdlib>

#include "base/go_parse.h"
#include "base/log.h"
#include "base/os/file.h"
#include "base/os/process.h"
#include "daemon/app/tcp_socket.h"

namespace bk::app {
namespace {

constexpr int kFirstPassedFd = 3;  // sd_listen_fds(3)

absl::StatusOr<sockaddr_un> UnixAddress(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof(address.sun_path)) {
    return InvalidArgument("socket path ", Quote(path), " is longer than ", sizeof(address.sun_path) - 1, " bytes (choose a shorter one with --addr)");
  }
  path.copy(address.sun_path, path.size());
  return address;
}

bool SomebodyAnswers(const sockaddr_un& address) {
  os::UniqueFd probe(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  return connect(probe.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0;
}

// The directory of a user's default socket is closed to others, and sticky: cleaners of XDG_RUNTIME_DIR then leave it (XDG base
// directory specification).
absl::Status MakeSocketDirectory(const std::string& dir) {
  const char* runtime = getenv("XDG_RUNTIME_DIR");
  const bool of_user = runtime != nullptr && *runtime != '\0' && dir == StrCat(runtime, "/buildkit");
  BK_RETURN_IF_ERROR(os::MakeDirs(dir, of_user ? 0700 : 0711));
  if (of_user && chmod(dir.c_str(), 0700 | S_ISVTX) != 0) return ErrnoError(errno, StrCat("chmod ", dir));
  return absl::OkStatus();
}

}  // namespace

Listeners::~Listeners() { Stop(); }

absl::Status Listeners::Add(const std::string& address, const SocketOwner& owner) {
  size_t at = address.find("://");
  if (at == std::string::npos) return InvalidArgument("address ", address, " does not contain proto, you meant unix://", address, " ?");
  std::string scheme = address.substr(0, at), rest = address.substr(at + 3);
  if (scheme == "unix") return AddUnix(rest, owner);
  if (scheme == "fd") return AddPassed(rest);
  if (scheme == "tcp") {
    BK_TRY(os::UniqueFd fd, ListenTcp(rest));
    std::string name = "tcp://" + TcpName(fd.get());
    listeners_.push_back({std::move(fd), "", std::move(name), true});
    return absl::OkStatus();
  }
  return InvalidArgument("addr ", address, " not supported");
}

absl::Status Listeners::AddUnix(const std::string& path, const SocketOwner& owner) {
  BK_RETURN_IF_ERROR(MakeSocketDirectory(os::DirName(path)));
  BK_TRY(sockaddr_un address, UnixAddress(path));
  if (SomebodyAnswers(address)) return FailedPrecondition("listen ", path, ": another daemon answers there (stop it, or choose another address with --addr)");
  unlink(path.c_str());
  os::UniqueFd fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  // Until it has its owner nobody may connect: it is bound under a private name first.
  std::string temporary = path + ".new";
  BK_TRY(sockaddr_un private_address, UnixAddress(temporary));
  unlink(temporary.c_str());
  mode_t before = umask(0177);
  int bound = bind(fd.get(), reinterpret_cast<sockaddr*>(&private_address), sizeof(private_address));
  int error = errno;
  umask(before);
  if (bound != 0) return ErrnoError(error, StrCat("listen unix ", path));
  if (listen(fd.get(), SOMAXCONN) != 0) return ErrnoError(errno, StrCat("listen unix ", path));
  uid_t uid = owner.uid.value_or(getuid());
  gid_t gid = owner.gid.value_or(getgid());
  if (chown(temporary.c_str(), uid, gid) != 0 || chmod(temporary.c_str(), 0660) != 0 || rename(temporary.c_str(), path.c_str()) != 0) {
    error = errno;
    unlink(temporary.c_str());
    return ErrnoError(error, StrCat("listen unix ", path));
  }
  listeners_.push_back({std::move(fd), path, "unix://" + path});
  return absl::OkStatus();
}

absl::Status Listeners::AddPassed(const std::string& which) {
  const char* pid = getenv("LISTEN_PID");
  const char* count_text = getenv("LISTEN_FDS");
  int64_t count = count_text == nullptr ? 0 : ParseInt(count_text).value_or(0);
  // Under a launcher the pid is another one's; then systemd's variables are taken as they are.
  if (count <= 0 || pid == nullptr) return FailedPrecondition("no sockets found via socket activation: make sure the service was started by systemd");
  int64_t first = kFirstPassedFd, last = kFirstPassedFd + count - 1;
  if (!which.empty()) {
    auto number = ParseInt(which);
    if (!number.ok() || *number < first || *number > last) return InvalidArgument("addr fd://", which, ": not one of the ", count, " passed sockets");
    first = last = *number;
  }
  for (int64_t fd = first; fd <= last; fd++) {
    if (fcntl(static_cast<int>(fd), F_SETFD, FD_CLOEXEC) != 0 || fcntl(static_cast<int>(fd), F_SETFL, O_NONBLOCK) != 0) return ErrnoError(errno, StrCat("addr fd://", fd));
    std::string tcp = TcpName(static_cast<int>(fd));
    listeners_.push_back({os::UniqueFd(static_cast<int>(fd)), "", tcp.empty() ? StrCat("fd://", fd) : "tcp://" + tcp, !tcp.empty()});
  }
  return absl::OkStatus();
}

absl::Status Listeners::Start(std::function<void(const Connection&)> serve) {
  BK_TRY(os::Pipe stop, os::MakePipe());
  stop_read_ = std::move(stop.read);
  stop_write_ = std::move(stop.write);
  thread_ = std::thread([this, serve = std::move(serve)] { AcceptLoop(serve); });
  return absl::OkStatus();
}

void Listeners::AcceptLoop(const std::function<void(const Connection&)>& serve) {
  std::vector<pollfd> polled = {{stop_read_.get(), POLLIN, 0}};
  for (const Listener& listener : listeners_) polled.push_back({listener.fd.get(), POLLIN, 0});
  while (poll(polled.data(), polled.size(), -1) >= 0 || errno == EINTR) {
    if (polled[0].revents != 0) return;
    for (size_t i = 1; i < polled.size(); i++) {
      if ((polled[i].revents & POLLIN) == 0) continue;
      int fd = accept4(polled[i].fd, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
      if (fd >= 0) {
        const bool tcp = listeners_[i - 1].tcp;
        if (tcp) PrepareTcpConnection(fd);
        serve({polled[i].fd, fd, tcp});
      } else if (errno == EMFILE || errno == ENFILE) {
        log::Error("no file descriptors left for a connection (raise the limit: LimitNOFILE= or ulimit -n)");
        pollfd pause{stop_read_.get(), POLLIN, 0};
        if (poll(&pause, 1, 100) > 0) return;
      }
    }
  }
}

std::vector<std::string> Listeners::Addresses() const {
  std::vector<std::string> out;
  for (const Listener& listener : listeners_) out.push_back(listener.address);
  return out;
}

std::vector<std::string> Listeners::TcpAddresses() const {
  std::vector<std::string> out;
  for (const Listener& listener : listeners_) {
    if (listener.tcp) out.push_back(listener.address);
  }
  return out;
}

void Listeners::Stop() {
  if (thread_.joinable()) {
    stop_write_.Reset();  // the loop sees the end of the pipe
    thread_.join();
  }
  for (const Listener& listener : listeners_) {
    if (!listener.path.empty()) unlink(listener.path.c_str());
  }
  listeners_.clear();
}

}  // namespace bk::app
