#include "daemon/ops/step_log.h"

#include <doctest/doctest.h>

namespace bk::ops {
namespace {

struct Sink : solver::ProgressSink {
  void Vertex(const solver::VertexEvent&) override {}
  void Status(const solver::StatusEvent&) override {}
  void Warning(const solver::WarningEvent&) override {}
  void Log(const solver::LogEvent& event) override { pieces.push_back(event.data); all += event.data; }
  std::vector<std::string> pieces;
  std::string all;
};

struct Fixture {
  std::shared_ptr<Sink> sink = std::make_shared<Sink>();
  int64_t now = 1;  // a moment after the start
};

TEST_CASE("sizes are written as the reference writes them") {
  CHECK(BinarySize(2 << 20) == "2MiB");
  CHECK(BinarySize(200 << 10) == "200KiB");
  CHECK(BinarySize(100'000) == "97.65625KiB");
  CHECK(BinarySize(12) == "12B");
}

TEST_CASE("output above the size limit is clipped with one note") {
  Fixture f;
  StepLog log(solver::VertexProgress(f.sink, DigestOf("v")), {10, -1}, [&] { return f.now; });
  log.Write(1, "12345678");
  log.Write(1, "90abc");
  log.Write(1, "more");
  log.Finish(false);
  CHECK(f.sink->all == "1234567890\n[output clipped, log limit 10B reached]\n");
}

TEST_CASE("the speed limit grows with time and output goes on") {
  Fixture f;
  StepLog log(solver::VertexProgress(f.sink, DigestOf("v")), {1000, 4}, [&] { return f.now; });
  f.now += 1'000'000;  // within the first second
  log.Write(1, "123456");
  CHECK(f.sink->all == "1234\n[output clipped, log limit 4B/s reached]\n");
  f.now += 2'000'000'000;
  log.Write(1, "abc");
  CHECK(f.sink->pieces.back() == "abc");
}

TEST_CASE("a failed step gives out the end of what was clipped") {
  Fixture f;
  StepLog log(solver::VertexProgress(f.sink, DigestOf("v")), {4, -1}, [&] { return f.now; });
  log.Write(2, "12345");
  log.Write(2, "the error");
  log.Finish(true);
  CHECK(f.sink->pieces.back() == "12345the error");
}

TEST_CASE("a character is never split between pieces") {
  Fixture f;
  StepLog log(solver::VertexProgress(f.sink, DigestOf("v")), {1000, -1}, [&] { return f.now; });
  log.Write(1, "a\xf0\x9f");
  log.Write(1, "\x99\x82z");
  CHECK(f.sink->pieces == std::vector<std::string>{"a", "\xf0\x9f\x99\x82z"});
  log.Write(1, "\xff\xc3");
  log.Finish(false);  // what never became one is given out as it is
  CHECK(f.sink->all == "a\xf0\x9f\x99\x82z\xff\xc3");
}

TEST_CASE("the streams have limits of their own") {
  Fixture f;
  StepLog log(solver::VertexProgress(f.sink, DigestOf("v")), {3, -1}, [&] { return f.now; });
  log.Write(1, "abc");
  log.Write(2, "def");
  CHECK(f.sink->all == "abcdef");
}

}  // namespace
}  // namespace bk::ops
