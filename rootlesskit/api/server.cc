#include "rootlesskit/api/server.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "base/go_json.h"
#include "base/os/file.h"
#include "rootlesskit/stage/options.h"

namespace bk::rootlesskit {
namespace {

constexpr char kApiVersion[] = "1.1.3";
constexpr size_t kMaxConnections = 16;
constexpr size_t kMaxHeadBytes = 16384;

std::string InfoJson(const ApiInfo& info) {
  GoJsonWriter w;
  auto text = [&w](std::string_view key, std::string_view value) {
    w.Key(key);
    w.String(value);
  };
  w.BeginObject();
  text("apiVersion", kApiVersion);
  text("version", kVersion);
  text("stateDir", info.state_dir);
  w.Key("childPID");
  w.Int(info.child_pid);
  if (!info.network_driver.empty()) {
    w.Key("networkDriver");
    w.BeginObject();
    text("driver", info.network_driver);
    if (!info.network.dns.empty()) {
      w.Key("dns");
      w.BeginArray();
      for (const std::string& server : info.network.dns) w.String(server);
      w.EndArray();
      text("childIP", info.network.address);
    }
    w.EndObject();
  }
  w.EndObject();
  return w.Take();
}

HttpAnswer Failure(std::string_view message) { return {400, StrCat("{\"message\":", GoJsonString(message), "}\n")}; }

std::string_view Reason(int code) {
  switch (code) {
    case 200: return "OK";
    case 400: return "Bad Request";
    case 404: return "Not Found";
    default: return "Method Not Allowed";
  }
}

std::string Response(const HttpAnswer& answer) {
  std::string_view type = answer.code == 200 ? "application/json" : "text/plain; charset=utf-8";
  return StrCat("HTTP/1.1 ", answer.code, " ", Reason(answer.code), "\r\nContent-Type: ", type, "\r\nContent-Length: ", answer.body.size(),
                "\r\nConnection: close\r\n\r\n", answer.body);
}

}  // namespace

HttpAnswer AnswerRequest(std::string_view method, std::string_view path, const ApiInfo& info) {
  path = path.substr(0, path.find('?'));
  constexpr std::string_view kPorts = "/v1/ports";
  if (path == "/v1/info") return method == "GET" ? HttpAnswer{200, InfoJson(info)} : HttpAnswer{405, ""};
  if (path == kPorts) return method == "GET" || method == "POST" ? Failure("no PortDriver is available") : HttpAnswer{405, ""};
  if (path.starts_with(kPorts) && path.size() > kPorts.size() + 1 && path[kPorts.size()] == '/' && path.find('/', kPorts.size() + 1) == path.npos) {
    return method == "DELETE" ? Failure("no PortDriver is available") : HttpAnswer{405, ""};
  }
  return {404, "404 page not found\n"};
}

absl::StatusOr<ApiServer> ApiServer::Listen(const std::string& path, ApiInfo info) {
  // By the directory's descriptor, so that its path may be longer than a socket's address.
  BK_TRY(os::UniqueFd directory, os::Open(os::DirName(path), O_PATH | O_DIRECTORY));
  std::string short_path = StrCat("/proc/self/fd/", directory.get(), "/", os::BaseName(path));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (short_path.size() >= sizeof address.sun_path) return InvalidArgument("listen unix ", path, ": the name is too long");
  std::memcpy(address.sun_path, short_path.data(), short_path.size());
  os::UniqueFd fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd) return ErrnoError(errno, "socket");
  if (bind(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) < 0 || listen(fd.get(), kMaxConnections) < 0) {
    return ErrnoError(errno, StrCat("listen unix ", path));
  }
  return ApiServer(std::move(fd), std::move(info));
}

void ApiServer::AddWaits(std::vector<pollfd>& waits) const {
  if (connections_.size() < kMaxConnections) waits.push_back({listener_.get(), POLLIN, 0});
  for (const Connection& c : connections_) waits.push_back({c.fd.get(), static_cast<short>(c.answered ? POLLOUT : POLLIN), 0});
}

void ApiServer::Accept() {
  while (connections_.size() < kMaxConnections) {
    os::UniqueFd fd(accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
    if (!fd) return;
    connections_.push_back({std::move(fd), "", "", false});
  }
}

bool ApiServer::Advance(Connection& c) {
  char buffer[4096];
  while (!c.answered) {
    ssize_t n = recv(c.fd.get(), buffer, sizeof buffer, 0);
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) return true;
    if (n <= 0) return false;
    c.in.append(buffer, static_cast<size_t>(n));
    if (c.in.find("\r\n\r\n") == std::string::npos) {
      if (c.in.size() > kMaxHeadBytes) return false;
      continue;
    }
    // "GET /v1/info HTTP/1.1"; headers and a body say nothing that matters here.
    std::string_view line = std::string_view(c.in).substr(0, c.in.find("\r\n"));
    size_t first = line.find(' '), second = line.find(' ', first + 1);
    if (first == line.npos || second == line.npos) return false;
    c.out = Response(AnswerRequest(line.substr(0, first), line.substr(first + 1, second - first - 1), info_));
    c.answered = true;
  }
  ssize_t n = send(c.fd.get(), c.out.data(), c.out.size(), MSG_NOSIGNAL);
  if (n < 0) return errno == EAGAIN || errno == EINTR;
  c.out.erase(0, static_cast<size_t>(n));
  return !c.out.empty();
}

void ApiServer::Serve() {
  Accept();
  std::erase_if(connections_, [this](Connection& c) { return !Advance(c); });
}

}  // namespace bk::rootlesskit
