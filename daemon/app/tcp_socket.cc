#include "daemon/app/tcp_socket.h"

#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <cerrno>
#include <memory>

#include "base/go_parse.h"

namespace bk::app {
namespace {

constexpr int64_t kMaxPort = 65535;
// A peer that says nothing is asked after 2 s and each second from then on; when nothing was heard for longer than kDeadMs the next
// question ends the connection (4 s), and so do bytes that are not acknowledged for as long. The peer's kernel answers: programs
// that are stopped or busy are not taken for dead.
constexpr int kIdleSeconds = 2, kQuestionSeconds = 1, kDeadMs = 3500;

using Addresses = std::unique_ptr<addrinfo, decltype(&freeaddrinfo)>;

absl::Status CheckPort(const std::string& port) {
  if (port.empty()) return absl::OkStatus();
  if (auto number = ParseInt(port); number.ok() || Message(number.status()).ends_with("out of range")) {
    if (!number.ok() || *number < 0 || *number > kMaxPort) return InvalidArgument("address ", port, ": invalid port");
    return absl::OkStatus();
  }
  return getservbyname(port.c_str(), "tcp") != nullptr ? absl::OkStatus() : InvalidArgument("lookup tcp/", port, ": unknown port");
}

// Without a host: all addresses of both kinds, where the machine has both.
absl::StatusOr<Addresses> Resolve(const HostPort& where) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_PASSIVE;
  addrinfo* found = nullptr;
  const std::string port = where.port.empty() ? "0" : where.port;
  int error = getaddrinfo(where.host.empty() ? nullptr : where.host.c_str(), port.c_str(), &hints, &found);
  if (error != 0) return InvalidArgument("lookup ", where.host, ": ", error == EAI_NONAME ? "no such host" : gai_strerror(error));
  return Addresses(found, &freeaddrinfo);
}

// An IPv4 address is preferred for a name, IPv6 (which takes both) for "all".
const addrinfo* Choose(const addrinfo* list, bool all) {
  for (const addrinfo* one = list; one != nullptr; one = one->ai_next) {
    if (one->ai_family == (all ? AF_INET6 : AF_INET)) return one;
  }
  return list;
}

absl::StatusOr<os::UniqueFd> Bind(const addrinfo& where) {
  os::UniqueFd fd(socket(where.ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd) return ErrnoError(errno, "socket");
  int on = 1, off = 0;
  setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
  if (where.ai_family == AF_INET6) setsockopt(fd.get(), IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off));
  if (bind(fd.get(), where.ai_addr, where.ai_addrlen) != 0) return ErrnoError(errno, "bind");
  if (listen(fd.get(), SOMAXCONN) != 0) return ErrnoError(errno, "listen");
  return fd;
}

}  // namespace

absl::StatusOr<HostPort> SplitHostPort(const std::string& text) {
  auto wrong = [&](const char* why) { return InvalidArgument("address ", text, ": ", why); };
  size_t colon = text.rfind(':');
  if (colon == std::string::npos) return wrong("missing port in address");
  HostPort out{text.substr(0, colon), text.substr(colon + 1)};
  if (out.host.starts_with('[')) {
    size_t end = text.find(']');
    if (end == std::string::npos) return wrong("missing ']' in address");
    if (end + 1 == text.size() || end + 1 < colon) return wrong(end + 1 < text.size() && text[end + 1] == ':' ? "too many colons in address" : "missing port in address");
    out.host = text.substr(1, end - 1);
  } else if (out.host.find(':') != std::string::npos) {
    return wrong("too many colons in address");
  }
  if (out.host.find_first_of("[]") != std::string::npos || out.port.find_first_of("[]") != std::string::npos) return wrong("unexpected bracket in address");
  return out;
}

absl::StatusOr<os::UniqueFd> ListenTcp(const std::string& text) {
  auto where = SplitHostPort(text);
  if (!where.ok()) return Annotate(where.status(), "listen tcp");
  if (absl::Status status = CheckPort(where->port); !status.ok()) return Annotate(status, "listen tcp");
  auto addresses = Resolve(*where);
  if (!addresses.ok()) return Annotate(addresses.status(), "listen tcp");
  const addrinfo* chosen = Choose(addresses->get(), where->host.empty());
  auto fd = Bind(*chosen);
  // A machine without IPv6 may still list it.
  for (const addrinfo* other = addresses->get(); !fd.ok() && where->host.empty() && other != nullptr; other = other->ai_next) {
    if (other->ai_family != chosen->ai_family) fd = Bind(*other);
  }
  if (!fd.ok()) return Annotate(fd.status(), StrCat("listen tcp ", text));
  return fd;
}

std::string TcpName(int fd) {
  sockaddr_storage address{};
  socklen_t size = sizeof(address);
  char host[NI_MAXHOST], port[NI_MAXSERV];
  if (getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size) != 0 || (address.ss_family != AF_INET && address.ss_family != AF_INET6)) return "";
  if (getnameinfo(reinterpret_cast<sockaddr*>(&address), size, host, sizeof(host), port, sizeof(port), NI_NUMERICHOST | NI_NUMERICSERV) != 0) return "";
  return address.ss_family == AF_INET6 ? StrCat("[", host, "]:", port) : StrCat(host, ":", port);
}

void PrepareTcpConnection(int fd) {
  int on = 1;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
  setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
  setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &kIdleSeconds, sizeof(kIdleSeconds));
  setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &kQuestionSeconds, sizeof(kQuestionSeconds));
  setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &kDeadMs, sizeof(kDeadMs));
}

}  // namespace bk::app
