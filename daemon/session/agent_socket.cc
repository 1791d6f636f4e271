#include "daemon/session/agent_socket.h"

#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace bk::session {

absl::StatusOr<std::unique_ptr<AgentSocket>> AgentSocket::Open(const CancelToken& cancel, Manager& sessions, const std::vector<std::string>& session_ids, const std::string& id, const Access& access) {
  std::shared_ptr<Session> client;
  absl::Status found = Any(cancel, sessions, session_ids, [&](const std::shared_ptr<Session>& session) {
    absl::Status status = session->CheckSshAgent(cancel, id);
    if (status.ok()) client = session;
    return absl::IsUnimplemented(status) ? Unknown("no SSH key ", Quote(id), " forwarded from the client") : status;
  });
  BK_RETURN_IF_ERROR(found);
  BK_TRY(os::TempDir dir, os::TempDir::Make(".buildkit-ssh-sock"));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::string path = dir.path() + "/ssh_auth_sock";
  if (path.size() >= sizeof address.sun_path) return InvalidArgument("path of a socket is too long: ", Quote(path), " (set a shorter TMPDIR)");
  memcpy(address.sun_path, path.c_str(), path.size() + 1);
  os::UniqueFd listener(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!listener || bind(listener.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) < 0 || listen(listener.get(), 16) < 0) {
    return ErrnoError(errno, "make a socket for an ssh agent");
  }
  // The mode last: a change of owner may take bits away.
  bool own = access.uid == geteuid() && access.gid == getegid();
  if (!own && chown(path.c_str(), access.uid, access.gid) < 0) return ErrnoError(errno, StrCat("chown of an ssh agent's socket to ", access.uid, ":", access.gid));
  if (chmod(path.c_str(), access.mode & 0777) < 0) return ErrnoError(errno, "chmod of an ssh agent's socket");
  return std::make_unique<AgentSocket>(cancel, std::move(client), id.empty() ? "default" : id, std::move(dir), std::move(listener));
}

AgentSocket::AgentSocket(const CancelToken& cancel, std::shared_ptr<Session> client, std::string id, os::TempDir dir, os::UniqueFd listener)
    : client_(std::move(client)), id_(std::move(id)), dir_(std::move(dir)), listener_(std::move(listener)), cancel_(cancel) {
  threads_.Run([this] { Accept(); });
}

AgentSocket::~AgentSocket() {
  cancel_.Cancel();
  threads_.Wait();
}

void AgentSocket::Accept() {
  CancelToken token = cancel_.token();
  while (!token.cancelled()) {
    pollfd waits[2] = {{listener_.get(), POLLIN, 0}, {token.fd(), POLLIN, 0}};
    if (poll(waits, 2, -1) < 0 && errno != EINTR) return;
    int fd = waits[0].revents != 0 ? accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC) : -1;
    if (fd < 0) continue;
    threads_.Run([this, fd] {
      os::UniqueFd connection(fd);
      client_->ForwardSshAgent(cancel_.token(), id_, fd).IgnoreError();
    });
  }
}

}  // namespace bk::session
