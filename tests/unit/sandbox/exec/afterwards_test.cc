// Work put off until no step runs.
#include "sandbox/exec/afterwards.h"

#include <doctest/doctest.h>

#include <memory>

namespace bk::exec {
namespace {

constexpr std::chrono::milliseconds kNever = std::chrono::hours(1), kAtOnce(0), kEnough = std::chrono::seconds(20);

TEST_CASE("afterwards: nothing is done before the pause is over; the end does all") {
  int done = 0;
  {
    Afterwards afterwards({kNever, 64});
    for (int i = 0; i < 10; i++) {
      Afterwards::Step step(afterwards);
      afterwards.Add([&] { done++; });
    }
    CHECK(done == 0);
  }
  CHECK(done == 10);
}

TEST_CASE("afterwards: what waits is done when no step runs") {
  Guarded<int> done;
  Afterwards afterwards({kAtOnce, 64});
  auto step = std::make_unique<Afterwards::Step>(afterwards);
  afterwards.Add([&] { done.Change([](int& n) { n++; }); });
  CHECK_FALSE(done.WaitFor(std::chrono::milliseconds(20), [](int n) { return n > 0; }));
  step.reset();
  CHECK(done.WaitFor(kEnough, [](int n) { return n == 1; }));
}

TEST_CASE("afterwards: beside steps only what is too much, and the caller helps when it is far too much") {
  Guarded<int> done;
  Guarded<bool> open;
  {
    Afterwards afterwards({kNever, 2});
    Afterwards::Step step(afterwards);
    auto count = [&] { done.Change([](int& n) { n++; }); };
    afterwards.Add([&] {
      open.Wait([](bool is) { return is; });
      count();
    });
    for (int i = 0; i < 2; i++) afterwards.Add(count);  // the third begins the first one, which then holds the worker
    CHECK_FALSE(done.WaitFor(std::chrono::milliseconds(20), [](int n) { return n > 0; }));
    for (int i = 0; i < 8; i++) afterwards.Add(count);  // four find room at least, the caller does the rest
    int by_caller = done.With([](int n) { return n; });
    CHECK(by_caller >= 4);
    open.Change([](bool& is) { is = true; });
    CHECK(done.WaitFor(kEnough, [](int n) { return n >= 9; }));  // no more than two wait now
    CHECK(done.With([](int n) { return n; }) == 9);
  }
  CHECK(done.With([](int n) { return n; }) == 11);
}

}  // namespace
}  // namespace bk::exec
