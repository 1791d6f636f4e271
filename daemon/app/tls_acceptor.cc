#include "daemon/app/tls_acceptor.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "base/log.h"
#include "base/os/process.h"
#include "daemon/app/tls_pump.h"
#include "proto/wire/tunnel.h"

namespace bk::app {
namespace {

using Clock = std::chrono::steady_clock;

int MsUntil(Clock::time_point end) {
  auto left = std::chrono::ceil<std::chrono::milliseconds>(end - Clock::now()).count();
  return static_cast<int>(std::max<int64_t>(left, 0));
}

// What the last call left in OpenSSL's queue of this thread.
std::string Reason(SSL* ssl) {
  long verified = SSL_get_verify_result(ssl);
  const char* reason = ERR_reason_error_string(ERR_peek_error());
  std::string out = reason != nullptr ? reason : "the client closed the connection";
  if (verified != X509_V_OK) out += StrCat(" (", X509_verify_cert_error_string(verified), ")");
  ERR_clear_error();
  return out;
}

absl::Status Handshake(SSL* ssl, int fd, int stop, Clock::time_point end) {
  while (true) {
    ERR_clear_error();
    int done = SSL_accept(ssl);
    if (done == 1) return absl::OkStatus();
    int want = SSL_get_error(ssl, done);
    if (want != SSL_ERROR_WANT_READ && want != SSL_ERROR_WANT_WRITE) return Unavailable(Reason(ssl));
    pollfd polled[] = {{fd, static_cast<short>(want == SSL_ERROR_WANT_READ ? POLLIN : POLLOUT), 0}, {stop, POLLIN, 0}};
    int ready = poll(polled, 2, MsUntil(end));
    if (ready == 0) return DeadlineExceeded("no handshake in time");
    if (polled[1].revents != 0) return Cancelled("the daemon ends");
  }
}

// A socket that is closed with unread bytes drops what was sent last: the alert that tells the client why.
void CloseAfterAlert(int fd, int stop, Clock::time_point end) {
  constexpr int kMostPieces = 64;
  std::array<char, 4096> dropped;
  shutdown(fd, SHUT_WR);
  for (int i = 0; i < kMostPieces; i++) {
    pollfd polled[] = {{fd, POLLIN, 0}, {stop, POLLIN, 0}};
    if (poll(polled, 2, MsUntil(end)) <= 0 || polled[1].revents != 0 || recv(fd, dropped.data(), dropped.size(), 0) <= 0) return;
  }
}

}  // namespace

absl::StatusOr<std::unique_ptr<TlsAcceptor>> TlsAcceptor::Start(std::shared_ptr<SSL_CTX> context, Serve serve, TlsLimits limits) {
  std::unique_ptr<TlsAcceptor> out(new TlsAcceptor(std::move(context), std::move(serve), limits));
  BK_TRY(os::Pipe stop, os::MakePipe());
  out->stop_read_ = std::move(stop.read);
  out->stop_write_ = std::move(stop.write);
  return out;
}

void TlsAcceptor::Take(int listening_fd, os::UniqueFd fd) {
  bool taken = counts_.With([&](Counts& counts) {
    if (counts.stopped || counts.handshakes >= limits_.handshakes || counts.connections >= limits_.connections) return false;
    counts.handshakes++;
    counts.connections++;
    return true;
  });
  if (!taken) return;
  auto shared = std::make_shared<os::UniqueFd>(std::move(fd));
  threads_.Run([this, listening_fd, shared] {
    Run(listening_fd, std::move(*shared));
    counts_.Change([](Counts& counts) { counts.connections--; });
  });
}

void TlsAcceptor::Run(int listening_fd, os::UniqueFd fd) {
  std::unique_ptr<SSL, decltype(&SSL_free)> ssl(SSL_new(context_.get()), &SSL_free);
  absl::Status status = ssl != nullptr && SSL_set_fd(ssl.get(), fd.get()) == 1 ? absl::OkStatus() : Internal("OpenSSL has no memory");
  if (status.ok()) status = Handshake(ssl.get(), fd.get(), stop_read_.get(), Clock::now() + limits_.handshake);
  absl::StatusOr<wire::TunnelEnds> ends = status.ok() ? wire::MakeTunnel() : status;
  if (!ends.ok()) {
    log::Debug("TLS handshake failed", {{"reason", Message(ends.status())}});
    CloseAfterAlert(fd.get(), stop_read_.get(), Clock::now() + limits_.last_words);
  }
  counts_.With([](Counts& counts) { counts.handshakes--; });
  if (!ends.ok()) return;
  serve_(listening_fd, std::move(ends->grpc_end));
  TlsPump(ssl.get(), fd.get(), ends->pump_end.get(), stop_read_.get(), limits_.last_words).Run();
}

void TlsAcceptor::Stop() {
  counts_.With([](Counts& counts) { counts.stopped = true; });
  stop_write_.Reset();  // all threads see the end of the pipe
  threads_.Wait();
}

int TlsAcceptor::connections() const {
  return counts_.With([](const Counts& counts) { return counts.connections; });
}

}  // namespace bk::app
