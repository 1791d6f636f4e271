// The daemon's end of a forwarded agent: a socket for programs, a client behind it.
#include "daemon/session/agent_socket.h"

#include <doctest/doctest.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <cstring>

#include "tests/unit/support/fake_session.h"

namespace bk::session {
namespace {

// Answers what it hears with the id in front.
class Agent : public testing::FakeSession {
 public:
  absl::Status CheckSshAgent(const CancelToken&, const std::string& id) override { return id == "known" ? absl::OkStatus() : NotFound("unset ssh forward key ", id); }
  absl::Status ForwardSshAgent(const CancelToken& cancel, const std::string& id, int fd) override {
    CancelCallback stop(cancel, [fd] { shutdown(fd, SHUT_RDWR); });
    char buffer[64];
    ssize_t n;
    while ((n = read(fd, buffer, sizeof buffer)) > 0) BK_RETURN_IF_ERROR(os::WriteAll(fd, id + ":" + std::string(buffer, static_cast<size_t>(n))));
    return absl::OkStatus();
  }
};

os::UniqueFd Connect(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  strncpy(address.sun_path, path.c_str(), sizeof address.sun_path - 1);
  os::UniqueFd fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  REQUIRE(connect(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
  return fd;
}
std::string Ask(int fd, const std::string& text) {
  char buffer[64];
  REQUIRE(os::WriteAll(fd, text).ok());
  ssize_t n = read(fd, buffer, sizeof buffer);
  return std::string(buffer, n > 0 ? static_cast<size_t>(n) : 0);
}

TEST_CASE("several programs talk to the agent at once; the socket and all connections end with it") {  // SRC-055, RPC rows of ssh
  testing::FakeSessions sessions;
  sessions.client = std::make_shared<Agent>();
  auto opened = AgentSocket::Open(CancelToken::Never(), sessions, {"session"}, "known", {geteuid(), getegid(), 0741});
  REQUIRE(opened.ok());
  std::string path = (*opened)->path();
  struct stat st;
  REQUIRE(stat(path.c_str(), &st) == 0);
  CHECK((st.st_mode & 07777) == 0741);
  os::UniqueFd a = Connect(path), b = Connect(path);
  CHECK(Ask(a.get(), "one") == "known:one");
  CHECK(Ask(b.get(), "two") == "known:two");
  CHECK(Ask(a.get(), "three") == "known:three");
  opened->reset();
  CHECK(!os::Exists(path));
  char byte;
  CHECK(read(a.get(), &byte, 1) <= 0);
}

TEST_CASE("a client without agents, or without this one") {
  testing::FakeSessions sessions;
  CHECK(Message(AgentSocket::Open(CancelToken::Never(), sessions, {"session"}, "default", {}).status()) == "no SSH key \"default\" forwarded from the client");
  sessions.client = std::make_shared<Agent>();
  CHECK(Message(AgentSocket::Open(CancelToken::Never(), sessions, {"session"}, "x", {}).status()) == "unset ssh forward key x");
}

}  // namespace
}  // namespace bk::session
