#include <doctest/doctest.h>

#include <chrono>
#include <thread>

#include "daemon/solver/job_state.h"

using namespace bk;
using namespace bk::solver;

namespace {

// Counts what comes; Wait blocks until so much came.
class Counter : public ProgressSink {
 public:
  void Vertex(const VertexEvent&) override { count_.Change([](int& n) { n++; }); }
  void Status(const StatusEvent&) override {}
  void Log(const LogEvent&) override {}
  void Warning(const WarningEvent&) override {}
  void Wait(int wanted) {
    count_.Wait([&](int n) { return n >= wanted; });
  }
  int count() {
    return count_.With([](int n) { return n; });
  }

 private:
  Guarded<int> count_;
};

}  // namespace

TEST_CASE("a build's events come to a watcher while it goes on, each once, and the last ones with its end") {  // RPC-015
  EventLog log;
  Counter first, late;
  std::thread watch([&] { CHECK(log.Follow(CancelToken::Never(), first).ok()); });
  log.Vertex({});
  first.Wait(1);
  // Those come while the watcher rests after a delivery.
  for (int i = 0; i < 50; i++) log.Vertex({});
  first.Wait(51);
  log.Vertex({});
  log.Close();
  watch.join();
  CHECK(first.count() == 52);
  CHECK(log.Follow(CancelToken::Never(), late).ok());
  CHECK(late.count() == 52);
}

TEST_CASE("what comes right after a delivery waits for the next one") {  // RPC-015
  using Clock = std::chrono::steady_clock;
  EventLog log;
  Counter seen;
  std::thread watch([&] { CHECK(log.Follow(CancelToken::Never(), seen).ok()); });
  auto begun = Clock::now();
  log.Vertex({});
  seen.Wait(1);
  log.Vertex({});
  seen.Wait(2);
  CHECK(Clock::now() - begun >= std::chrono::milliseconds(100));  // a loaded machine makes it longer, never shorter
  log.Close();
  watch.join();
}

TEST_CASE("a watcher that rests ends as soon as it is cancelled") {
  EventLog log;
  Counter seen;
  CancelSource cancel;
  absl::Status status;
  std::thread watch([&] { status = log.Follow(cancel.token(), seen); });
  log.Vertex({});
  seen.Wait(1);
  cancel.Cancel();
  watch.join();
  CHECK(absl::IsCancelled(status));
}
