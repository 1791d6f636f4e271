// Carries bytes between a TLS connection and a socketpair's end, both ways, on the thread that calls.
//
// At most one piece a direction is held: a side that does not read holds the other one back. Ends when either side has ended, and what
// gRPC wrote before it closed is sent, for a bounded time.
#pragma once

#include <openssl/types.h>

#include <chrono>
#include <cstddef>
#include <optional>
#include <vector>

namespace bk::app {

class TlsPump {
 public:
  // `ssl` has done its handshake on `outer`; `inner` becomes non-blocking. `stop` is readable once all shall end.
  TlsPump(SSL* ssl, int outer, int inner, int stop, std::chrono::milliseconds last_words);
  void Run();

 private:
  struct Piece {
    std::vector<char> bytes;
    size_t begin = 0, end = 0;
    bool empty() const { return begin == end; }
  };
  // Each moves what can be moved at once; true if something was.
  bool ReadOuter();
  bool WriteInner();
  bool ReadInner();
  bool WriteOuter();
  bool Sealed(int result);
  bool over() const { return broken_ || (outer_ended_ && inward_.empty()) || (inner_ended_ && outward_.empty()); }
  void Wait();
  void EndBy(std::chrono::steady_clock::time_point end);

  SSL* const ssl_;
  const int outer_, inner_, stop_;
  const std::chrono::milliseconds last_words_;
  Piece inward_, outward_;
  short outer_wants_ = 0;  // poll events, of one round
  bool broken_ = false, outer_ended_ = false, inner_ended_ = false, inner_closed_ = false;
  std::optional<std::chrono::steady_clock::time_point> end_by_;
};

}  // namespace bk::app
