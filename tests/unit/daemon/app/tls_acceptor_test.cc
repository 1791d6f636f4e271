#include "daemon/app/tls_acceptor.h"

#include <openssl/ssl.h>
#include <poll.h>
#include <sys/socket.h>

#include <array>
#include <atomic>

#include <doctest/doctest.h>

namespace bk::app {
namespace {

// Connections whose client says nothing.
struct Bench {
  explicit Bench(TlsLimits limits) {
    std::shared_ptr<SSL_CTX> context(SSL_CTX_new(TLS_server_method()), &SSL_CTX_free);
    acceptor = TlsAcceptor::Start(context, [this](int, os::UniqueFd) { served++; }, limits).value();
  }
  os::UniqueFd Connect() {
    int ends[2];
    REQUIRE(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) == 0);
    acceptor->Take(0, os::UniqueFd(ends[0]));
    return os::UniqueFd(ends[1]);
  }
  static bool EndsWithin(const os::UniqueFd& client, int ms) {
    pollfd polled{client.get(), POLLIN, 0};
    std::array<char, 64> bytes;
    while (poll(&polled, 1, ms) > 0) {
      if (recv(client.get(), bytes.data(), bytes.size(), 0) <= 0) return true;
    }
    return false;
  }
  std::atomic<int> served{0};
  std::unique_ptr<TlsAcceptor> acceptor;
};

constexpr int kLongMs = 20'000;

TEST_CASE("tls: a handshake that does not come in time is ended") {
  Bench bench({.handshake = std::chrono::milliseconds(50), .last_words = std::chrono::milliseconds(50)});
  os::UniqueFd silent = bench.Connect();
  CHECK(bench.EndsWithin(silent, kLongMs));
  bench.acceptor->Stop();
  CHECK(bench.acceptor->connections() == 0);
  CHECK(bench.served == 0);
}

TEST_CASE("tls: more handshakes or connections than the limit are closed at once") {
  for (TlsLimits limits : {TlsLimits{.handshakes = 2, .connections = 9}, TlsLimits{.handshakes = 9, .connections = 2}}) {
    limits.handshake = std::chrono::milliseconds(kLongMs);
    Bench bench(limits);
    os::UniqueFd first = bench.Connect(), second = bench.Connect(), third = bench.Connect();
    CHECK(bench.EndsWithin(third, kLongMs / 4));
    CHECK(bench.acceptor->connections() == 2);
    CHECK_FALSE(bench.EndsWithin(second, 0));
    bench.acceptor->Stop();  // does not wait for handshakes
    CHECK(bench.EndsWithin(first, kLongMs / 4));
    os::UniqueFd late = bench.Connect();
    CHECK(bench.EndsWithin(late, kLongMs / 4));
    CHECK(bench.served == 0);
  }
}

}  // namespace
}  // namespace bk::app
