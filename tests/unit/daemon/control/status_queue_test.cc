#include "daemon/control/status_queue.h"

#include <doctest/doctest.h>

using namespace bk;
using namespace bk::control;

TEST_CASE("events gather into one batch until it is taken") {
  StatusQueue queue;
  queue.Vertex({DigestOf("a"), {}, "a"});
  queue.Log({DigestOf("a"), 2, "text", 1'500'000'000});
  auto batch = queue.Take();
  REQUIRE(batch);
  CHECK(batch->vertexes(0).name() == "a");
  CHECK(batch->logs(0).stream() == 2);
  CHECK(batch->logs(0).timestamp().nanos() == 500'000'000);
  queue.Close();
  CHECK_FALSE(queue.Take());
}

TEST_CASE("what was said before the end is still delivered") {
  StatusQueue queue;
  queue.Vertex({DigestOf("a"), {}, "a"});
  queue.Close();
  CHECK(queue.Take());
  CHECK_FALSE(queue.Take());
}

TEST_CASE("long logs are split near one MiB, in order") {
  StatusQueue queue;
  for (char c = 'a'; c < 'f'; c++) queue.Log({DigestOf("v"), 1, std::string(700'000, c), 1});
  queue.Close();
  std::string order;
  size_t batches = 0;
  while (auto batch = queue.Take()) {
    batches++;
    size_t bytes = 0;
    for (const auto& log : batch->logs()) {
      order += log.msg()[0];
      bytes += log.msg().size();
    }
    CHECK(bytes < 2 << 20);
  }
  CHECK(order == "abcde");
  CHECK(batches >= 3);
}

TEST_CASE("many vertices and transfers are split as well") {
  StatusQueue queue;
  constexpr int kCount = 4000;
  for (int i = 0; i < kCount; i++) queue.Vertex({DigestOf(StrCat(i)), {}, std::string(1000, 'n')});
  for (int i = 0; i < kCount; i++) queue.Status({DigestOf("v"), StrCat(i), std::string(1000, 'n')});
  queue.Close();
  int vertices = 0, statuses = 0;
  while (auto batch = queue.Take()) {
    CHECK(batch->ByteSizeLong() < 2 << 20);
    vertices += batch->vertexes_size();
    statuses += batch->statuses_size();
  }
  CHECK(vertices == kCount);
  CHECK(statuses == kCount);
}
