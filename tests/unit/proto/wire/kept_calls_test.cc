#include "proto/wire/kept_calls.h"

#include <doctest/doctest.h>

#include "base/task_group.h"
#include "resume/resume.pb.h"

using namespace bk;
using namespace bk::wire;

namespace {

using Reply = resume::v1::CancelRequest;  // any message

// A clock that stands still until it is moved, and work that lasts until it is told to end or cancelled.
struct Bench {
  Guarded<KeptCalls::Time> now;
  KeptCalls calls{[this] { return now.With([](auto& t) { return t; }); }};
  Guarded<int> begun;
  CancelSource finish;
  CancelSource first;  // cancelled: the first client's connection is gone
  Reply reply;
  absl::Status status;
  TaskGroup tasks;

  KeepWish Wish(std::string rejoin = "") { return {"secret", std::chrono::seconds(30), std::move(rejoin)}; }
  KeptCalls::Work Work() {
    return [this](const CancelToken& cancel, google::protobuf::Message& message) -> absl::Status {
      begun.Change([](int& n) { n++; });
      CancelSource either(finish.token());
      CancelCallback stop(cancel, [&] { either.Cancel(); });
      (void)either.token().SleepFor(std::chrono::hours(1));
      BK_RETURN_IF_ERROR(cancel.Check());
      static_cast<Reply&>(message).set_token("done");
      return absl::OkStatus();
    };
  }
  void Start() {
    tasks.Run([this] { status = calls.Run(first.token(), Wish(), "Solve", Work(), reply); });
    begun.Wait([](int n) { return n == 1; });
  }
  void Pass(std::chrono::seconds time) {
    now.With([&](auto& t) { t += time; });
    calls.Expire();
  }
};

}  // namespace

TEST_CASE("headers: both are needed, a time that makes sense, and no more than a minute") {
  CHECK_FALSE(KeepWish::Of({}).has_value());
  CHECK_FALSE(KeepWish::Of({{kKeepAliveHeader, "30s"}}).has_value());
  CHECK_FALSE(KeepWish::Of({{kKeepTokenHeader, "t"}}).has_value());
  for (const char* wrong : {"", "0s", "-1s", "x", "30"}) CHECK_FALSE(KeepWish::Of({{kKeepAliveHeader, wrong}, {kKeepTokenHeader, "t"}}).has_value());
  CHECK_FALSE(KeepWish::Of({{kKeepAliveHeader, "1s"}, {kKeepTokenHeader, std::string(129, 't')}}).has_value());
  auto wish = KeepWish::Of({{kKeepAliveHeader, "1500ms"}, {kKeepTokenHeader, "t"}});
  REQUIRE(wish.has_value());
  CHECK(wish->keep == std::chrono::milliseconds(1500));
  CHECK(wish->rejoin.empty());
  CHECK(KeepWish::Of({{kKeepAliveHeader, "10h"}, {kKeepTokenHeader, "t"}, {kRejoinHeader, "1"}})->keep == kMostKeepAlive);
  CHECK(KeepWish::Of({{kKeepAliveHeader, "10h"}, {kKeepTokenHeader, "t"}, {kRejoinHeader, "1"}})->rejoin == "1");
}

TEST_CASE("a call whose client is gone goes on, and whoever comes back gets its answer; it runs once") {
  Bench bench;
  bench.Start();
  bench.first.Cancel();
  bench.Pass(std::chrono::seconds(29));
  Reply again;
  absl::Status joined;
  TaskGroup tasks;
  CancelSource second;
  tasks.Run([&] { joined = bench.calls.Run(second.token(), bench.Wish("life"), "Solve", bench.Work(), again); });
  bench.finish.Cancel();
  tasks.Wait();
  bench.tasks.Wait();
  CHECK(joined.ok());
  CHECK(again.token() == "done");
  CHECK(bench.begun.With([](int n) { return n; }) == 1);
}

TEST_CASE("an answer that the client may have missed is kept for the same time, then forgotten") {
  Bench bench;
  bench.Start();
  bench.first.Cancel();
  bench.finish.Cancel();
  bench.tasks.Wait();
  bench.Pass(std::chrono::seconds(29));
  Reply again;
  CHECK(bench.calls.Run(CancelToken::Never(), bench.Wish("life"), "Solve", bench.Work(), again).ok());
  CHECK(again.token() == "done");
  bench.Pass(std::chrono::seconds(2));
  CHECK(absl::IsNotFound(bench.calls.Run(CancelToken::Never(), bench.Wish("life"), "Solve", bench.Work(), again)));
  CHECK(bench.begun.With([](int n) { return n; }) == 1);
}

TEST_CASE("a call to which nobody comes back is cancelled when the time is over, with the reason") {
  Bench bench;
  bench.Start();
  bench.Pass(std::chrono::hours(1));  // its client is there
  bench.first.Cancel();
  bench.Pass(std::chrono::seconds(31));
  bench.tasks.Wait();
  CHECK(bench.status == bk::Cancelled("the client's connection broke, and it did not come back within 30s"));
}

TEST_CASE("a client's own wish ends a call at once, with its token only") {
  Bench bench;
  bench.Start();
  CHECK_FALSE(bench.calls.Cancel("other"));
  CHECK_FALSE(bench.calls.Cancel("secre"));
  CHECK(bench.calls.Cancel("secret"));
  bench.tasks.Wait();
  CHECK(bench.status == bk::Cancelled("context canceled"));
  CHECK_FALSE(bench.calls.Cancel("secret"));
}

TEST_CASE("another method or another token is another call; nothing is rejoined that never ran") {
  Bench bench;
  bench.Start();
  Reply reply;
  auto quick = [](const CancelToken&, google::protobuf::Message&) { return bk::Unknown("its own"); };
  CHECK(bench.calls.Run(CancelToken::Never(), bench.Wish(), "Return", quick, reply) == bk::Unknown("its own"));
  CHECK(bench.calls.Run(CancelToken::Never(), {"other", std::chrono::seconds(1)}, "Solve", quick, reply) == bk::Unknown("its own"));
  CHECK(absl::IsNotFound(bench.calls.Run(CancelToken::Never(), {"third", std::chrono::seconds(1), "another life"}, "Solve", quick, reply)));
  bench.finish.Cancel();
}

TEST_CASE("a repeated call that never reached this daemon begins now, in the same life only, and once") {
  Bench bench;
  Reply reply;
  auto quick = [&](const CancelToken&, google::protobuf::Message&) {
    bench.begun.Change([](int& n) { n++; });
    return absl::OkStatus();
  };
  CHECK(absl::IsNotFound(bench.calls.Run(CancelToken::Never(), bench.Wish(KeptCalls().life()), "Solve", quick, reply)));
  for (int i = 0; i < 2; i++) CHECK(bench.calls.Run(CancelToken::Never(), bench.Wish(bench.calls.life()), "Solve", quick, reply).ok());
  // Not again when its answer is forgotten: whoever comes that late is turned away.
  bench.Pass(std::chrono::seconds(31));
  for (std::string rejoin : {bench.calls.life(), std::string()}) CHECK(absl::IsNotFound(bench.calls.Run(CancelToken::Never(), bench.Wish(rejoin), "Solve", quick, reply)));
  CHECK(bench.begun.With([](int n) { return n; }) == 1);
  // In the end nothing is kept of it.
  bench.Pass(std::chrono::seconds(61));
  CHECK_FALSE(bench.calls.Expire().has_value());
}

TEST_CASE("a client that comes back and goes again has the whole time once more") {
  Bench bench;
  bench.Start();
  bench.first.Cancel();
  bench.Pass(std::chrono::seconds(20));
  CancelSource second;
  second.Cancel();
  Reply reply;
  CHECK(absl::IsCancelled(bench.calls.Run(second.token(), bench.Wish("life"), "Solve", bench.Work(), reply)));
  bench.Pass(std::chrono::seconds(20));
  CHECK(bench.calls.Cancel("secret"));  // it still runs
  bench.tasks.Wait();
}

TEST_CASE("with the real clock the time is watched by itself") {
  KeptCalls calls;
  CancelSource gone;
  gone.Cancel();
  Reply reply;
  absl::Status status = calls.Run(gone.token(), {"t", std::chrono::milliseconds(20)}, "Solve",
                                  [](const CancelToken& cancel, google::protobuf::Message&) { return cancel.SleepFor(std::chrono::hours(1)); }, reply);
  CHECK(Message(status) == "the client's connection broke, and it did not come back within 20ms");
}
