// Git repositories made by tests, and two servers for them: smart HTTP (git-http-backend) with every request seen by the test,
// and git's own protocol (git daemon). Both on a free loopback port, with real git programs.
#pragma once

#include <cstdio>
#include <cstdlib>

#include "base/guarded.h"
#include "base/os/file.h"
#include "base/os/process.h"
#include "base/unicode.h"
#include "tests/unit/support/http_server.h"

namespace bk::testing {

// Runs a shell script in `dir` with a git that knows no settings of the machine; ends the test when it fails. Its output
// without the last line break.
inline std::string Shell(const std::string& dir, const std::string& script) {
  os::ProcessOptions options;
  options.argv = {"/bin/sh", "-ec", script};
  options.cwd = dir;
  options.replace_env = true;
  options.env = {"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/dev/null", "GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_GLOBAL=/dev/null", "LC_ALL=C",
                 "GIT_AUTHOR_NAME=A", "GIT_AUTHOR_EMAIL=a@test", "GIT_COMMITTER_NAME=C", "GIT_COMMITTER_EMAIL=c@test",
                 "GIT_AUTHOR_DATE=1600000000 +0000", "GIT_COMMITTER_DATE=1600000100 +0000", "GIT_CONFIG_COUNT=2", "GIT_CONFIG_KEY_0=init.defaultBranch",
                 "GIT_CONFIG_VALUE_0=main", "GIT_CONFIG_KEY_1=protocol.file.allow", "GIT_CONFIG_VALUE_1=always"};
  auto output = os::Run(CancelToken::Never(), options);
  if (!output.ok() || !output->status.success()) {
    fprintf(stderr, "%s\n%s\n", script.c_str(), output.ok() ? output->err.c_str() : Message(output.status()).c_str());
    std::abort();
  }
  return std::string(TrimSpace(output->out));
}

// Repositories below `root`: http://HOST/NAME/.git or http://HOST/NAME.git.
class GitHttp {
 public:
  explicit GitHttp(std::string root) : root_(std::move(root)), server_([this](const TestRequest& request) { return Serve(request); }) {}
  std::string url() const { return "http://" + server_.host(); }
  std::string host() const { return server_.host(); }
  std::vector<std::string> log() const { return server_.log(); }

  // What a test makes of this server, also while it serves.
  template <typename T>
  class Rule {
   public:
    Rule& operator=(T value) {
      value_.With([&](T& v) { v = std::move(value); });
      return *this;
    }
    T Get() const {
      return value_.With([](const T& v) { return v; });
    }

   private:
    Guarded<T> value_;
  };
  // Judges a request first; its answer goes out unless its status is 0.
  Rule<std::function<TestResponse(const TestRequest&)>> before;
  // Changes an answer.
  Rule<std::function<void(const TestRequest&, TestResponse&)>> after;
  Rule<bool> plain_files;  // as a server that knows nothing of git

 private:
  TestResponse Serve(const TestRequest& request) {
    if (auto rule = before.Get()) {
      TestResponse own = rule(request);
      if (own.status != 0) return own;
    }
    TestResponse response = plain_files.Get() ? File(request) : Backend(request);
    if (auto rule = after.Get()) rule(request, response);
    return response;
  }
  TestResponse File(const TestRequest& request) {
    auto text = os::ReadFile(root_ + request.path);
    return text.ok() ? TestResponse{200, {}, *text} : TestResponse{404, {}, ""};
  }
  static std::string Get(const TestRequest& request, const std::string& name) {
    auto found = request.headers.find(name);
    return found == request.headers.end() ? "" : found->second;
  }
  TestResponse Backend(const TestRequest& request) {
    os::ProcessOptions options;
    options.argv = {"/usr/lib/git-core/git-http-backend"};
    options.replace_env = true;
    options.env = {"PATH=/usr/bin:/bin", "HOME=/dev/null", "GIT_CONFIG_NOSYSTEM=1", "GIT_PROJECT_ROOT=" + root_, "GIT_HTTP_EXPORT_ALL=1", "REMOTE_ADDR=127.0.0.1",
                   "REQUEST_METHOD=" + request.method, "PATH_INFO=" + request.path, "QUERY_STRING=" + request.query, "CONTENT_TYPE=" + Get(request, "content-type"),
                   "CONTENT_LENGTH=" + std::to_string(request.body.size()), "HTTP_CONTENT_ENCODING=" + Get(request, "content-encoding"), "GIT_PROTOCOL=" + Get(request, "git-protocol"),
                   "GIT_CONFIG_COUNT=1", "GIT_CONFIG_KEY_0=safe.directory", "GIT_CONFIG_VALUE_0=*"};
    auto output = os::Run(CancelToken::Never(), options, request.body);
    if (!output.ok()) return {500, {}, ""};
    TestResponse response;
    size_t end = output->out.find("\r\n\r\n");
    if (end == std::string::npos) return {500, {}, output->err};
    std::string head = output->out.substr(0, end + 2);
    response.body = output->out.substr(end + 4);
    for (size_t at = 0; at < head.size();) {
      size_t next = head.find("\r\n", at), colon = head.find(':', at);
      std::string name = head.substr(at, colon - at), value(TrimSpace(std::string_view(head).substr(colon + 1, next - colon - 1)));
      if (name == "Status") {
        response.status = std::stoi(value);
      } else {
        response.headers.emplace_back(name, value);
      }
      at = next + 2;
    }
    return response;
  }

  const std::string root_;
  HttpServer server_;
};

// git://HOST/NAME of the repositories below `root`.
class GitDaemon {
 public:
  explicit GitDaemon(std::string root) : root_(std::move(root)), listener_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    if (bind(listener_.get(), reinterpret_cast<sockaddr*>(&address), size) < 0 || listen(listener_.get(), 64) < 0) std::abort();
    getsockname(listener_.get(), reinterpret_cast<sockaddr*>(&address), &size);
    host_ = "127.0.0.1:" + std::to_string(ntohs(address.sin_port));
    tasks_.Run([this] { Accept(); });
  }
  ~GitDaemon() {
    shutdown(listener_.get(), SHUT_RDWR);
    tasks_.Wait();
  }
  std::string url() const { return "git://" + host_; }

 private:
  void Accept() {
    while (true) {
      os::UniqueFd connection(accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
      if (!connection) return;
      os::ProcessOptions options;
      options.argv = {"git", "daemon", "--inetd", "--export-all", "--base-path=" + root_};
      options.replace_env = true;
      options.env = {"PATH=/usr/bin:/bin", "HOME=/dev/null", "GIT_CONFIG_NOSYSTEM=1"};
      options.fds = {{connection.get(), 0}, {connection.get(), 1}};
      auto process = os::Process::Start(options);
      connection.Reset();
      if (process.ok()) process->Wait(CancelToken::Never()).IgnoreError();
    }
  }
  const std::string root_;
  os::UniqueFd listener_;
  std::string host_;
  TaskGroup tasks_;
};

}  // namespace bk::testing
