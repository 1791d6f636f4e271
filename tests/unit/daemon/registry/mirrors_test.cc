// Several places for the same bytes: who is asked, who is waited for, who goes on.
#include "base/task_group.h"
#include "tests/unit/daemon/registry/bench.h"

namespace bk::registry {
namespace {

TEST_CASE("a mirror that fails is not waited for") {  // INF-001
  for (int status : {500, 503, 429, 403, 401}) {
    CAPTURE(status);
    testing::HttpServer mirror([&](const TestRequest&) { return TestResponse{status, {{"Retry-After", "50"}}, ""}; });
    Bench bench([](const TestRequest&) { return Manifest(); });
    bench.options.backoff_ms = 100'000;
    bench.hosts[bench.server.host()].mirrors = {mirror.host()};
    CHECK(bench.Resolve("v1").ok());
    CHECK(bench.server.log().size() == 1);
  }
}

TEST_CASE("a mirror that nobody answers at is passed over for a while") {
  Bench bench([](const TestRequest&) { return Manifest(); });
  bench.options.backoff_ms = 100'000;
  bench.hosts[bench.server.host()].mirrors = {"127.0.0.1:1"};
  CHECK(bench.Resolve("v1").ok());
  CHECK(bench.Resolve("v2").ok());
  CHECK(bench.server.log().size() == 2);
}

TEST_CASE("the second mirror is asked when the first one does not have it") {
  testing::HttpServer empty([](const TestRequest&) { return TestResponse{404}; });
  testing::HttpServer full([](const TestRequest&) { return Manifest(); });
  Bench bench([](const TestRequest&) { return TestResponse{500}; });
  bench.hosts[bench.server.host()].mirrors = {empty.host(), full.host() + "/pull/through"};
  CHECK(bench.Resolve("v1").ok());
  REQUIRE(full.log().size() == 1);
  CHECK(full.log()[0].starts_with("HEAD /v2/pull/through/app/one/manifests/v1?ns="));
  CHECK(bench.server.log().empty());
}

TEST_CASE("where a mirror breaks off the registry goes on") {
  std::string blob = LongText();
  testing::HttpServer mirror([&](const TestRequest& request) -> TestResponse {
    if (request.headers.contains("range")) return {500};
    return {200, {}, blob, blob.size() / 2};
  });
  Bench bench([&](const TestRequest& request) { return Ranged(request, blob); });
  bench.hosts[bench.server.host()].mirrors = {mirror.host()};
  CHECK(bench.Fetch(BlobOf(blob)).ok());
  CHECK(*bench.store->Read(DigestOf(blob), 1 << 20) == blob);
}

TEST_CASE("wrong bytes of a mirror are not the registry's") {  // hostile 42
  std::string blob = "what was promised", other = "what was given ..", longer = "much more than what was promised";
  for (const std::string& given : {other, longer}) {
    testing::HttpServer mirror([&](const TestRequest&) { return TestResponse{200, {}, given}; });
    Bench bench([&](const TestRequest&) { return TestResponse{200, {}, blob}; });
    bench.hosts[bench.server.host()].mirrors = {mirror.host()};
    CHECK(bench.Fetch(BlobOf(blob)).ok());
    CHECK(*bench.store->Read(DigestOf(blob), 100) == blob);
  }
}

TEST_CASE("what the registry says of a failure is shown, not what its mirrors say") {
  testing::HttpServer mirror([](const TestRequest&) { return TestResponse{403, {}, R"({"errors":[{"code":"DENIED","message":"mirror"}]})"}; });
  Bench bench([](const TestRequest&) { return TestResponse{404}; });
  bench.hosts[bench.server.host()].mirrors = {mirror.host()};
  CHECK(Message(bench.Resolve("v1").status()) == bench.server.host() + "/app/one:v1: not found");
}

TEST_CASE("four blobs and one document of a registry are transferred at a time") {  // INF-005, DMN-067
  for (int64_t most : {4, 2}) {
    struct Count {
      int64_t now = 0, most = 0;
      bool open = false;
    };
    Guarded<Count> count;
    Bench bench([&](const TestRequest& request) -> TestResponse {
      count.Change([&](Count& c) {
        c.most = std::max(c.most, ++c.now);
        c.open = c.open || c.now > most;
      });
      count.Wait([](Count& c) { return c.open; });
      count.Change([](Count& c) { c.now--; });
      return {200, {}, request.path.substr(request.path.rfind('/') + 1)};
    });
    // Bytes whose digest is asked for cannot be named here: every transfer ends with an error, but takes its turn.
    bench.options.max_transfers = most;
    bench.client();
    TaskGroup tasks;
    for (int i = 0; i < 8; i++) {
      tasks.Run([&, i] {
        Descriptor blob = BlobOf(std::string(71, static_cast<char>('a' + i)));
        if (i == 0) blob.media_type = media_type::kOciConfig;
        CHECK_FALSE(bench.Fetch(blob).ok());
      });
    }
    tasks.Wait();
    CHECK(count.With([](Count& c) { return c.most; }) == most + 1);
  }
}

TEST_CASE("requests one after the other share a connection, also with another host between them") {
  testing::HttpServer other([](const TestRequest&) { return Manifest(); });
  Bench bench([](const TestRequest&) { return Manifest(); });
  for (int i = 0; i < 5; i++) {
    CHECK(bench.Resolve(StrCat("v", i)).ok());
    CHECK(bench.client().Resolve(CancelToken::Never(), bench.context, {other.host() + "/app/two", "v1"}).ok());
  }
  CHECK(bench.server.connections() == 1);
  CHECK(other.connections() == 1);
}

}  // namespace
}  // namespace bk::registry
