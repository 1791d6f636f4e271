#include "sandbox/net/pool.h"

#include <doctest/doctest.h>

#include <set>
#include <thread>

using namespace bk;
using namespace bk::net;

namespace {

// Networks are numbers; `fail` makes none.
struct Fake {
  struct State {
    int made = 0;
    std::set<std::string> there;
    std::vector<std::string> hostnames, events;
    bool fail = false;
  };
  NetworkMaker Maker() {
    return {.make = [this](const CancelToken&, const std::string& hostname) { return Make(hostname); },
            .remove = [this](const std::string& id) { state.Change([&](State& s) { CHECK(s.there.erase(id) == 1); }); },
            .begin = [this] { Event("begin"); },
            .end = [this] { Event("end"); }};
  }
  absl::StatusOr<std::string> Make(const std::string& hostname) {
    return state.Change([&](State& s) -> absl::StatusOr<std::string> {
      if (s.fail) return Unknown("no network");
      s.hostnames.push_back(hostname);
      std::string id = StrCat("n", ++s.made);
      s.there.insert(id);
      return id;
    });
  }
  void Event(const char* name) {
    state.Change([&](State& s) { s.events.push_back(StrCat(name, " ", s.there.size())); });
  }
  int made() {
    return state.With([](State& s) { return s.made; });
  }
  bool WaitForCount(size_t count) {
    return state.WaitFor(std::chrono::seconds(20), [&](const State& s) { return s.there.size() == count; });
  }
  Guarded<State> state;
};

void WaitForIdle(const PooledProvider& pool, size_t count) {
  auto end = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  while (pool.idle() != count && std::chrono::steady_clock::now() < end) std::this_thread::yield();
  REQUIRE(pool.idle() == count);
}

}  // namespace

TEST_CASE("networks are made before anybody asks, lent again, and all taken away at the end (EXE-045)") {
  Fake fake;
  {
    PooledProvider pool({.dir = "/d", .size = 2}, fake.Maker());
    WaitForIdle(pool, 2);
    auto first = pool.Get(CancelToken::Never(), "").value(), second = pool.Get(CancelToken::Never(), "").value();
    CHECK(std::set<std::string>{first->path(), second->path()} == std::set<std::string>{"/d/n1", "/d/n2"});
    auto third = pool.Get(CancelToken::Never(), "").value();
    CHECK(third->path() == "/d/n3");
    second.reset();
    CHECK(pool.Get(CancelToken::Never(), "").value()->path() != first->path());
    CHECK(fake.made() == 3);
  }
  fake.state.With([](Fake::State& s) {
    CHECK(s.there.empty());
    CHECK(s.events == std::vector<std::string>{"begin 0", "end 0"});
  });
}

TEST_CASE("without a pool a network is made when it is asked for, and kept for the next step") {
  Fake fake;
  PooledProvider pool({.dir = "/d"}, fake.Maker());
  std::string path = pool.Get(CancelToken::Never(), "").value()->path();
  CHECK(pool.Get(CancelToken::Never(), "").value()->path() == path);
  CHECK(fake.made() == 1);
}

TEST_CASE("a surplus network that nobody asks for is taken away") {
  Fake fake;
  PooledProvider pool({.dir = "/d", .size = 1, .grace = std::chrono::milliseconds(20)}, fake.Maker());
  WaitForIdle(pool, 1);
  {
    auto a = pool.Get(CancelToken::Never(), "").value(), b = pool.Get(CancelToken::Never(), "").value();
    CHECK(fake.WaitForCount(2));
  }
  CHECK(fake.WaitForCount(1));
}

TEST_CASE("a step with a hostname gets a network of its own, for this step only") {
  Fake fake;
  PooledProvider pool({.dir = "/d", .size = 1}, fake.Maker());
  WaitForIdle(pool, 1);
  { CHECK(pool.Get(CancelToken::Never(), "box").value()->path() == "/d/n2"); }
  CHECK(fake.WaitForCount(1));
  fake.state.With([](Fake::State& s) {
    CHECK(s.hostnames == std::vector<std::string>{"", "box"});
    CHECK(s.there.count("n1") == 1);
  });
}

TEST_CASE("a network that cannot be made fails the step that asks, not the pool") {
  Fake fake;
  fake.state.With([](Fake::State& s) { s.fail = true; });
  PooledProvider pool({.dir = "/d", .size = 1, .retry = std::chrono::milliseconds(5)}, fake.Maker());
  CHECK(Message(pool.Get(CancelToken::Never(), "").status()) == "no network");
  fake.state.With([](Fake::State& s) { s.fail = false; });
  CHECK(fake.WaitForCount(1));
  CHECK(pool.Get(CancelToken::Never(), "").ok());
}
