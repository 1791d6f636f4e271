#include "client/cli/cache_metrics.h"

#include <doctest/doctest.h>

#include "base/os/file.h"

namespace bk::client {
namespace {

void Say(CacheMetrics& metrics, const char* digest, const char* name, bool cached, bool completed) {
  moby::buildkit::v1::StatusResponse status;
  auto* vertex = status.add_vertexes();
  vertex->set_digest(digest);
  vertex->set_name(name);
  vertex->set_cached(cached);
  if (completed) vertex->mutable_completed()->set_seconds(1);
  metrics.Add(status);
}

TEST_CASE("cache metrics: steps of users are counted apart, bases are no misses") {
  CacheMetrics metrics;
  Say(metrics, "1", "[internal] load build definition", false, true);
  Say(metrics, "2", "[1/3] FROM base", false, true);
  Say(metrics, "3", "[2/3] RUN a", false, false);
  Say(metrics, "3", "[2/3] RUN a", true, true);  // told twice, one step
  Say(metrics, "4", "[3/3] RUN b", false, false);
  Say(metrics, "5", "exporting to image", false, true);
  CHECK(metrics.Text(7) ==
        "cache miss: [3/3] RUN b\n"
        R"({"total":5,"completed":4,"user_total":3,"user_cached":1,"user_completed":2,"user_cacheable":2,"from":1,"miss":1,"client_duration_ms":7})"
        "\n");
}

TEST_CASE("cache metrics: the file is made before the build") {
  CHECK(*CacheMetrics::Open("") == nullptr);
  CHECK_FALSE(CacheMetrics::Open("/no/such/directory/metrics").ok());
  os::TempDir dir = os::TempDir::Make("metrics-").value();
  std::string path = dir.path() + "/metrics";
  REQUIRE(os::WriteFile(path, "old and longer than nothing at all", 0600).ok());
  auto metrics = CacheMetrics::Open(path);
  REQUIRE(metrics.ok());
  CHECK(os::ReadFile(path)->empty());
  Say(**metrics, "1", "[1/1] RUN a", true, true);
  REQUIRE((*metrics)->Write().ok());
  CHECK(os::ReadFile(path)->starts_with(R"({"total":1,"completed":1,"user_total":1,"user_cached":1,)"));
}

}  // namespace
}  // namespace bk::client
