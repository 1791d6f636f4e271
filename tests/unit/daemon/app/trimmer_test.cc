#include "daemon/app/trimmer.h"

#include <doctest/doctest.h>

using namespace bk;

TEST_CASE("a daemon that rests is trimmed once for all that woke it") {
  Guarded<int> trimmed{0};
  app::Trimmer trimmer(std::chrono::milliseconds(1), [&] { trimmed.Change([](int& n) { n++; }); });
  trimmed.Wait([](int n) { return n == 1; });  // after the start
  trimmer.Wake();
  trimmed.Wait([](int n) { return n == 2; });
  CHECK_FALSE(trimmed.WaitFor(std::chrono::milliseconds(20), [](int n) { return n > 2; }));  // nothing woke it again
}

TEST_CASE("a trimmer that waits ends at once, untrimmed") {
  Guarded<int> trimmed{0};
  {
    app::Trimmer trimmer(std::chrono::hours(1), [&] { trimmed.Change([](int& n) { n++; }); });
    for (int i = 0; i < 3; i++) trimmer.Wake();
  }
  CHECK(trimmed.With([](int n) { return n; }) == 0);
}
