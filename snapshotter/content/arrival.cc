#include "snapshotter/content/arrival.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

namespace bk::content {

void Arrival::Begin(int fd) {
  state_.Change([&](State& s) {
    if (s.read > 0) s.over = true;  // the reader may be using the descriptor
    if (s.over) return;
    s.fd.Reset(fcntl(fd, F_DUPFD_CLOEXEC, 0));
    s.size = 0;
    s.over = !s.fd;
  });
}

void Arrival::Grow(int64_t size_bytes) {
  state_.Change([&](State& s) { s.size = size_bytes; });
}

void Arrival::End(bool committed) {
  state_.Change([&](State& s) {
    if (s.over) return;
    s.committed = committed && s.fd;
    s.over = s.committed || s.read > 0;
    if (!committed) s.size = 0;
  });
}

void Arrival::Close() {
  state_.Change([](State& s) { s.over = true; });
}

bool Arrival::Await() {
  return state_.WaitThen([](State& s) { return s.over || s.size > 0; }, [](State& s) { return s.size > 0 && (!s.over || s.committed); });
}

void Arrival::Abandon() {
  state_.Change([](State& s) {
    s.over = true;
    s.committed = false;
  });
}

void Arrival::Drop() {
  Abandon();
  state_.With([](State& s) { s.fd.Reset(); });
}

absl::StatusOr<size_t> Arrival::Read(char* buffer, size_t size) {
  int fd = -1;
  int64_t from = 0;
  bool ended = false;
  state_.WaitThen([](State& s) { return s.over || s.read < s.size; },
                  [&](State& s) {
                    if (s.over && !s.committed) return;
                    ended = s.read == s.size;
                    size = static_cast<size_t>(std::min<int64_t>(static_cast<int64_t>(size), s.size - s.read));
                    fd = s.fd.get();
                    from = s.read;
                    s.read += static_cast<int64_t>(size);  // from here on it is this ingest or none
                  });
  if (ended) return 0;
  if (fd < 0) return Error(absl::StatusCode::kAborted, "the blob did not arrive");
  for (size_t done = 0; done < size;) {
    ssize_t n = pread(fd, buffer + done, size - done, from + static_cast<int64_t>(done));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return ErrnoError(errno, "read an arriving blob");
    if (n == 0) return Internal("an arriving blob lost bytes");
    done += static_cast<size_t>(n);
  }
  return size;
}

}  // namespace bk::content
