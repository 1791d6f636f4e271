#include "daemon/app/tls_pump.h"

#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>

namespace bk::app {
namespace {

using Clock = std::chrono::steady_clock;
constexpr size_t kInwardBytes = 16 << 10;   // a record of TLS
constexpr size_t kOutwardBytes = 64 << 10;  // several records a read

bool TryAgain() { return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR; }

}  // namespace

TlsPump::TlsPump(SSL* ssl, int outer, int inner, int stop, std::chrono::milliseconds last_words)
    : ssl_(ssl), outer_(outer), inner_(inner), stop_(stop), last_words_(last_words) {
  inward_.bytes.resize(kInwardBytes);
  outward_.bytes.resize(kOutwardBytes);
  fcntl(inner_, F_SETFL, O_NONBLOCK);
}

void TlsPump::Run() {
  while (!over() && (!end_by_ || Clock::now() < *end_by_)) {
    outer_wants_ = 0;
    bool moved = ReadOuter();
    moved = WriteInner() || moved;
    moved = ReadInner() || moved;
    moved = WriteOuter() || moved;
    if (!moved && !over()) Wait();
  }
  if (!broken_) {
    ERR_clear_error();
    SSL_shutdown(ssl_);  // tells the peer that this is the end, if it can be told at once
  }
  ERR_clear_error();
  shutdown(inner_, SHUT_RDWR);
  shutdown(outer_, SHUT_RDWR);
}

// What OpenSSL's answer means; true for success.
bool TlsPump::Sealed(int result) {
  if (result > 0) return true;
  switch (SSL_get_error(ssl_, result)) {
    case SSL_ERROR_WANT_READ: outer_wants_ |= POLLIN; break;
    case SSL_ERROR_WANT_WRITE: outer_wants_ |= POLLOUT; break;
    case SSL_ERROR_ZERO_RETURN: outer_ended_ = true; break;
    default: broken_ = true;  // also a peer that closed without a word
  }
  return false;
}

bool TlsPump::ReadOuter() {
  if (broken_ || outer_ended_ || !inward_.empty()) return false;
  ERR_clear_error();
  int n = SSL_read(ssl_, inward_.bytes.data(), static_cast<int>(inward_.bytes.size()));
  if (!Sealed(n)) return false;
  inward_.begin = 0;
  inward_.end = inner_closed_ ? 0 : static_cast<size_t>(n);
  return true;
}

bool TlsPump::WriteInner() {
  if (broken_ || inward_.empty()) return false;
  ssize_t n = send(inner_, inward_.bytes.data() + inward_.begin, inward_.end - inward_.begin, MSG_NOSIGNAL);
  if (n < 0 && TryAgain()) return false;
  if (n < 0) {  // gRPC has closed; what it wrote before is still there to be read
    inner_closed_ = true;
    inward_.begin = inward_.end;
    EndBy(Clock::now() + last_words_);
    return true;
  }
  inward_.begin += static_cast<size_t>(n);
  return true;
}

bool TlsPump::ReadInner() {
  if (broken_ || inner_ended_ || !outward_.empty()) return false;
  ssize_t n = recv(inner_, outward_.bytes.data(), outward_.bytes.size(), 0);
  if (n < 0 && TryAgain()) return false;
  if (n <= 0) {
    inner_ended_ = true;
    return true;
  }
  outward_.begin = 0;
  outward_.end = static_cast<size_t>(n);
  return true;
}

bool TlsPump::WriteOuter() {
  if (broken_ || outward_.empty()) return false;
  ERR_clear_error();
  int n = SSL_write(ssl_, outward_.bytes.data() + outward_.begin, static_cast<int>(outward_.end - outward_.begin));
  if (!Sealed(n)) return false;
  outward_.begin += static_cast<size_t>(n);
  return true;
}

void TlsPump::EndBy(Clock::time_point end) { end_by_ = end_by_ ? std::min(*end_by_, end) : end; }

void TlsPump::Wait() {
  short inner_wants = static_cast<short>((outward_.empty() ? POLLIN : 0) | (inward_.empty() ? 0 : POLLOUT));
  // What has said its last word is not asked again: poll would return at once for ever.
  pollfd polled[] = {{outer_, outer_wants_, 0}, {inner_closed_ ? -1 : inner_, inner_wants, 0}, {end_by_ ? -1 : stop_, POLLIN, 0}};
  int timeout = -1;
  if (end_by_) timeout = static_cast<int>(std::max<int64_t>(std::chrono::ceil<std::chrono::milliseconds>(*end_by_ - Clock::now()).count(), 0));
  if (poll(polled, 3, timeout) < 0) {
    broken_ = errno != EINTR;
    return;
  }
  // The connection is dead; bytes that came before are read first where somebody reads.
  if ((polled[0].revents & (POLLERR | POLLHUP)) != 0 && (outer_wants_ & POLLIN) == 0) broken_ = true;
  if ((polled[1].revents & (POLLERR | POLLHUP)) != 0) {
    inner_closed_ = true;
    inward_.begin = inward_.end;
    EndBy(Clock::now() + last_words_);
  }
  if (polled[2].revents != 0) EndBy(Clock::now() + last_words_);
}

}  // namespace bk::app
