#include "snapshotter/diff/read_ahead.h"

#include <algorithm>

#include <doctest/doctest.h>

namespace bk::diff {
namespace {

// Gives `size` bytes in small pieces, then an end or an error.
class Counting : public ByteSource {
 public:
  Counting(size_t size, absl::Status end) : size_(size), end_(std::move(end)) {}
  absl::StatusOr<size_t> Read(char* buffer, size_t size) override {
    if (at_ == size_ && !end_.ok()) return end_;
    size_t n = std::min({size, size_ - at_, size_t{10'007}});
    for (size_t i = 0; i < n; i++) buffer[i] = static_cast<char>((at_ + i) % 251);
    at_ += n;
    return n;
  }
  size_t at() const { return at_; }

 private:
  size_t size_, at_ = 0;
  absl::Status end_;
};

TEST_CASE("read-ahead gives the source's bytes in order, then the end") {
  Counting source(5'000'000, absl::OkStatus());
  ReadAhead ahead(source);
  std::string buffer(77'777, '\0');
  size_t total = 0;
  bool same = true;
  while (true) {
    auto n = ahead.Read(buffer.data(), buffer.size());
    REQUIRE(n.ok());
    if (*n == 0) break;
    for (size_t i = 0; i < *n; i++) same = same && buffer[i] == static_cast<char>((total + i) % 251);
    total += *n;
  }
  CHECK(same);
  CHECK(total == 5'000'000);
  CHECK(ahead.Finish().ok());
}

TEST_CASE("read-ahead passes the source's error on behind its bytes") {
  Counting source(300'000, DataLoss("broken"));
  ReadAhead ahead(source);
  std::string buffer(1 << 20, '\0');
  size_t total = 0;
  absl::StatusOr<size_t> n;
  while ((n = ahead.Read(buffer.data(), buffer.size())).ok()) total += *n;
  CHECK(total == 300'000);
  CHECK(absl::IsDataLoss(n.status()));
}

TEST_CASE("read-ahead reads what is left, or may be left alone with it") {
  Counting all(3'000'000, absl::OkStatus());
  ReadAhead finished(all);
  CHECK(finished.Finish().ok());
  CHECK(all.at() == 3'000'000);
  Counting much(100'000'000, absl::OkStatus());
  {
    ReadAhead ended(much);
  }
  CHECK(much.at() < 100'000'000);
}

}  // namespace
}  // namespace bk::diff
