#include "client/session/token_server.h"

#include <arpa/inet.h>
#include <doctest/doctest.h>
#include <sys/socket.h>

#include <thread>

#include "base/guarded.h"
#include "base/os/file.h"

using namespace bk;
using namespace bk::client;

namespace {

// Answers each request with the next of `answers` ("STATUS BODY"), keeps the requests.
class Server {
 public:
  explicit Server(std::vector<std::string> answers) : answers_(std::move(answers)), socket_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    REQUIRE(bind(socket_.get(), reinterpret_cast<sockaddr*>(&address), size) == 0);
    REQUIRE(listen(socket_.get(), 8) == 0);
    REQUIRE(getsockname(socket_.get(), reinterpret_cast<sockaddr*>(&address), &size) == 0);
    port_ = ntohs(address.sin_port);
    thread_ = std::thread([this] { Serve(); });
  }
  ~Server() {
    shutdown(socket_.get(), SHUT_RDWR);
    thread_.join();
  }
  TokenRequest Request() const { return {StrCat("http://127.0.0.1:", port_, "/token?x=1"), "svc", {"repository:a/b:pull", "repository:c:push"}}; }
  std::vector<std::string> requests() const {
    return requests_.With([](const std::vector<std::string>& r) { return r; });
  }

 private:
  void Serve() {
    for (const std::string& answer : answers_) {
      os::UniqueFd peer(accept4(socket_.get(), nullptr, nullptr, SOCK_CLOEXEC));
      if (!peer) return;
      requests_.With([&](std::vector<std::string>& all) { all.push_back(ReadRequest(peer.get())); });
      std::string body = answer.substr(4);
      (void)os::WriteAll(peer.get(), StrCat("HTTP/1.1 ", answer.substr(0, 3), " x\r\nConnection: close\r\nContent-Length: ", body.size(), "\r\n\r\n", body));
    }
  }
  static std::string ReadRequest(int fd) {
    std::string text;
    char buffer[4096];
    size_t wanted = std::string::npos;
    while (text.size() < wanted) {
      ssize_t n = read(fd, buffer, sizeof buffer);
      if (n <= 0) break;
      text.append(buffer, static_cast<size_t>(n));
      size_t head = text.find("\r\n\r\n"), length = text.find("Content-Length: ");
      if (head != std::string::npos) wanted = head + 4 + (length < head ? std::stoul(text.substr(length + 16)) : 0);
    }
    return text;
  }
  std::vector<std::string> answers_;
  os::UniqueFd socket_;
  int port_ = 0;
  Guarded<std::vector<std::string>> requests_;
  std::thread thread_;
};

const CancelToken kNever = CancelToken::Never();

}  // namespace

TEST_CASE("without a secret the token is asked for anonymously") {
  Server server({R"(200 {"token":"t","expires_in":300,"issued_at":"2026-01-02T03:04:05.5Z"})"});
  auto token = FetchToken(kNever, server.Request(), {});
  REQUIRE(token.ok());
  CHECK(token->text == "t");
  CHECK(token->expires_in_s == 300);
  CHECK(token->issued_at_s == 1767323045);
  std::string request = server.requests().at(0);
  CHECK(request.starts_with("GET /token?scope=repository%3Aa%2Fb%3Apull&scope=repository%3Ac%3Apush&service=svc&x=1 "));
  CHECK(request.find("Authorization") == std::string::npos);
}

TEST_CASE("with a secret the token is asked for with a form, and with GET where that is not known") {
  Credentials user;
  user.username = "u";
  user.password = "p&q";
  Server server({"404 ", R"(200 {"access_token":"t"})"});
  CHECK(FetchToken(kNever, server.Request(), user)->text == "t");
  auto requests = server.requests();
  CHECK(requests.at(0).ends_with("client_id=buildkit-client&grant_type=password&password=p%26q&scope=repository%3Aa%2Fb%3Apull+repository%3Ac%3Apush&service=svc&username=u"));
  CHECK(requests.at(1).find("Authorization: Basic dTpwJnE=") != std::string::npos);
}

TEST_CASE("an identity token is a refresh token") {
  Credentials user;
  user.identity_token = "id";
  Server server({R"(200 {"access_token":"t"})"});
  CHECK(FetchToken(kNever, server.Request(), user)->text == "t");
  CHECK(server.requests().at(0).find("grant_type=refresh_token&refresh_token=id") != std::string::npos);
}

TEST_CASE("refusals and answers without a token are errors") {
  Credentials user;
  user.username = "u";
  user.password = "p";
  Server refusing({"401 ", "401 "});
  absl::Status status = FetchToken(kNever, refusing.Request(), user).status();
  CHECK(status.message().find("failed to fetch oauth token: unexpected status from GET request to http://127.0.0.1") != absl::string_view::npos);
  CHECK(status.message().find(": 401 Unauthorized") != absl::string_view::npos);
  for (const char* body : {"200 {}", "200 nonsense", "200 []", "500 "}) {
    Server server({body});
    CHECK_FALSE(FetchToken(kNever, server.Request(), {}).ok());
  }
}
