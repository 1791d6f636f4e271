// A small HTTP/1.1 server on a free loopback port, for tests of clients: every request goes to one function.
//
// One thread a connection; the destructor ends them all.
#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdlib>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "base/guarded.h"
#include "base/os/unique_fd.h"
#include "base/status.h"
#include "base/task_group.h"

namespace bk::testing {

struct TestRequest {
  std::string method, path, query, body;
  std::map<std::string, std::string> headers;  // keys in lower case
};

struct TestResponse {
  int status = 200;
  std::vector<std::pair<std::string, std::string>> headers;
  std::string body;
  size_t cut_after = std::string::npos;  // the connection breaks after so many bytes of the body
  std::function<void()> then = {};       // runs before it does
};

class HttpServer {
 public:
  using Handler = std::function<TestResponse(const TestRequest&)>;
  explicit HttpServer(Handler handler) : handler_(std::move(handler)), listener_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    if (bind(listener_.get(), reinterpret_cast<sockaddr*>(&address), size) < 0 || listen(listener_.get(), 64) < 0) std::abort();
    getsockname(listener_.get(), reinterpret_cast<sockaddr*>(&address), &size);
    port_ = ntohs(address.sin_port);
    tasks_.Run([this] { Accept(); });
  }
  ~HttpServer() {
    shutdown(listener_.get(), SHUT_RDWR);
    state_.With([](State& s) {
      s.stopped = true;
      for (int fd : s.connections) shutdown(fd, SHUT_RDWR);
    });
    tasks_.Wait();
  }
  std::string host() const { return "127.0.0.1:" + std::to_string(port_); }
  // "METHOD path?query" of every request so far.
  std::vector<std::string> log() const {
    return state_.With([](const State& s) { return s.log; });
  }
  // How many were opened so far.
  size_t connections() const {
    return state_.With([](const State& s) { return s.opened; });
  }

 private:
  struct State {
    std::vector<int> connections;
    std::vector<std::string> log;
    size_t opened = 0;
    bool stopped = false;
  };

  void Accept() {
    while (true) {
      int fd = accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC);
      if (fd < 0) return;
      bool stopped = state_.With([&](State& s) {
        s.opened++;
        if (!s.stopped) s.connections.push_back(fd);
        return s.stopped;
      });
      if (stopped) {
        close(fd);
        return;
      }
      tasks_.Run([this, fd] {
        Serve(fd);
        state_.With([&](State& s) { std::erase(s.connections, fd); });
        close(fd);
      });
    }
  }

  void Serve(int fd) {
    std::string buffer;
    while (true) {
      TestRequest request;
      if (!Read(fd, buffer, request)) return;
      state_.With([&](State& s) { s.log.push_back(request.method + " " + request.path + (request.query.empty() ? "" : "?" + request.query)); });
      TestResponse response = handler_(request);
      std::string head = "HTTP/1.1 " + std::to_string(response.status) + " Status\r\n";
      bool has_length = false;
      for (const auto& [key, value] : response.headers) {
        head += key + ": " + value + "\r\n";
        has_length = has_length || key == "Content-Length";
      }
      if (!has_length) head += "Content-Length: " + std::to_string(response.body.size()) + "\r\n";
      head += "\r\n";
      bool cut = response.cut_after < response.body.size();
      std::string bytes = head + (request.method == "HEAD" ? "" : response.body.substr(0, response.cut_after));
      for (size_t at = 0; at < bytes.size();) {
        ssize_t n = send(fd, bytes.data() + at, bytes.size() - at, MSG_NOSIGNAL);
        if (n <= 0) return;
        at += static_cast<size_t>(n);
      }
      if (cut && response.then) response.then();
      if (cut) return;
    }
  }

  static bool More(int fd, std::string& buffer) {
    char piece[65536];
    ssize_t n = recv(fd, piece, sizeof piece, 0);
    if (n <= 0) return false;
    buffer.append(piece, static_cast<size_t>(n));
    return true;
  }

  static bool Read(int fd, std::string& buffer, TestRequest& request) {
    size_t end;
    while ((end = buffer.find("\r\n\r\n")) == std::string::npos) {
      if (!More(fd, buffer)) return false;
    }
    std::string head = buffer.substr(0, end);
    buffer.erase(0, end + 4);
    size_t line_end = std::min(head.find("\r\n"), head.size());
    std::string line = head.substr(0, line_end);
    size_t first = line.find(' '), second = line.find(' ', first + 1);
    request.method = line.substr(0, first);
    std::string target = line.substr(first + 1, second - first - 1);
    size_t question = std::min(target.find('?'), target.size());
    request.path = target.substr(0, question);
    if (question < target.size()) request.query = target.substr(question + 1);
    for (size_t at = line_end + 2; at < head.size();) {
      size_t next = std::min(head.find("\r\n", at), head.size());
      size_t colon = head.find(':', at);
      std::string key = head.substr(at, colon - at);
      for (char& c : key) c = static_cast<char>(tolower(static_cast<unsigned char>(c)));
      request.headers[key] = head.substr(colon + 2, next - colon - 2);
      at = next + 2;
    }
    if (request.headers.contains("expect") && send(fd, "HTTP/1.1 100 Continue\r\n\r\n", 25, MSG_NOSIGNAL) < 0) return false;
    size_t length = request.headers.contains("content-length") ? std::stoul(request.headers["content-length"]) : 0;
    while (buffer.size() < length) {
      if (!More(fd, buffer)) return false;
    }
    request.body = buffer.substr(0, length);
    buffer.erase(0, length);
    return true;
  }

  const Handler handler_;
  os::UniqueFd listener_;
  int port_ = 0;
  Guarded<State> state_;
  TaskGroup tasks_;
};

}  // namespace bk::testing
