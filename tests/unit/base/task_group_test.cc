#include "base/task_group.h"

#include <doctest/doctest.h>

#include <atomic>
#include <chrono>

using namespace bk;

namespace {
std::atomic<int> ended{0};
// What a library keeps for each thread: gone after the task, at the thread's end.
struct Kept {
  int touched = 0;
  ~Kept() {
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    ended++;
  }
};
thread_local Kept kept;
}  // namespace

TEST_CASE("a group waits for the ends of its threads, not only of its tasks") {
  TaskGroup group;
  for (int round = 1; round <= 2; round++) {
    for (int i = 0; i < 3; i++) group.Run([] { kept.touched++; });
    group.Wait();
    CHECK(ended == 3 * round);
  }
}

TEST_CASE("a task may add tasks to its group") {
  std::atomic<int> ran{0};
  TaskGroup group;
  std::function<void(int)> add = [&](int depth) {
    ran++;
    for (int i = 0; depth > 0 && i < 3; i++) group.Run([&, depth] { add(depth - 1); });
  };
  group.Run([&] { add(4); });
  group.Wait();
  CHECK(ran == 1 + 3 + 9 + 27 + 81);
}
