// What is tried again, when, and what of that is told.
#include "daemon/registry/repository.h"

#include "tests/unit/daemon/registry/bench.h"

namespace bk::registry {
namespace {

constexpr int64_t kNoon = 1'445'412'480;  // Wed, 21 Oct 2015 07:28:00 GMT

TEST_CASE("Retry-After is a number of seconds or a date") {  // INF-004
  CHECK(RetryAfterMs("0", kNoon) == 0);
  CHECK(RetryAfterMs("7", kNoon) == 7000);
  CHECK(RetryAfterMs("Wed, 21 Oct 2015 07:28:09 GMT", kNoon) == 9000);
  CHECK(RetryAfterMs("Wed, 21 Oct 2015 07:27:00 GMT", kNoon) == 0);
  CHECK(RetryAfterMs("9000000000000000", kNoon) == 1'000'000'000'000);
  for (const char* text : {"", "-1", "7s", "soon", "99999999999999999999", "Wed, 21 Oct 2015 07:28:09 GMT and more", "1.5"}) {
    CAPTURE(text);
    CHECK_FALSE(RetryAfterMs(text, kNoon).has_value());
  }
}

TEST_CASE("too many requests are repeated when the server says, not when a back-off would") {
  int requests = 0;
  Bench bench([&](const TestRequest&) { return requests++ < 2 ? TestResponse{429, {{"Retry-After", "0"}}, ""} : Manifest(); });
  bench.options.backoff_ms = 100'000;
  CHECK(bench.Resolve("v1").ok());
  std::string log = bench.listener->log();
  CHECK(log.find("429 Too Many Requests") != std::string::npos);
  CHECK(log.find("retrying in 0s\n") != std::string::npos);
}

TEST_CASE("who asks for more than a minute is not waited for, and the error says what was asked") {
  Bench bench([](const TestRequest&) { return TestResponse{429, {{"Retry-After", "3600"}}, R"({"errors":[{"code":"TOOMANYREQUESTS","message":"slow down"}]})"}; });
  bench.options.backoff_ms = 100'000;
  auto resolved = bench.Resolve("v1");
  CHECK(absl::IsUnavailable(resolved.status()));
  CHECK(Message(resolved.status()).find("429 Too Many Requests") != std::string::npos);
  CHECK(Message(resolved.status()).find("come back in 1h0m0s") != std::string::npos);
  CHECK(bench.server.log().size() == 1);
}

TEST_CASE("server errors are repeated three times, and what is waited for is told") {
  Bench bench([](const TestRequest&) { return TestResponse{502, {}, "<html>"}; });
  CHECK(Message(bench.Resolve("v1").status()).find("502 Bad Gateway") != std::string::npos);
  CHECK(bench.server.log().size() == 4);
  std::string log = bench.listener->log();
  for (const char* text : {"retrying in 1ms\n", "retrying in 2ms\n", "retrying in 4ms\n"}) CHECK(log.find(text) != std::string::npos);
}

TEST_CASE("a document is fetched without a line, a layer with its bytes") {  // SRC-014
  std::string blob = LongText();
  Bench bench([&](const TestRequest& request) -> TestResponse { return {200, {}, request.path.find("manifests") == std::string::npos ? blob : kManifest}; });
  Descriptor manifest = BlobOf(kManifest);
  manifest.media_type = media_type::kOciManifest;
  CHECK(bench.Fetch(manifest).ok());
  CHECK(bench.listener->statuses().empty());
  CHECK(bench.Fetch(BlobOf(blob)).ok());
  auto statuses = bench.listener->statuses();
  REQUIRE_FALSE(statuses.empty());
  CHECK(statuses.back().id == DigestOf(blob).str());
  CHECK(statuses.back().current == static_cast<int64_t>(blob.size()));
  CHECK(statuses.back().total == static_cast<int64_t>(blob.size()));
  CHECK(statuses.back().completed_ns != 0);
}

TEST_CASE("an answer that announces another length is refused before it is read") {  // hostile 42
  std::string blob = LongText();
  Bench bench([&](const TestRequest&) { return TestResponse{200, {{"Content-Length", std::to_string(blob.size() + 1)}}, blob}; });
  absl::Status status = bench.Fetch(BlobOf(blob));
  CHECK(absl::IsDataLoss(status));
  CHECK(Message(status).find(StrCat("the server has ", blob.size() + 1, " bytes in place of the declared ", blob.size())) != std::string::npos);
}

TEST_CASE("a transfer without a byte for long is continued") {  // hostile 42: stalls at 99 %
  std::string blob = LongText();
  Guarded<bool> ended;
  Bench bench([&](const TestRequest& request) -> TestResponse {
    if (request.headers.contains("range")) return Ranged(request, blob);
    TestResponse answer{200, {}, blob, blob.size() - 100};
    answer.then = [&] { ended.Wait([](bool& end) { return end; }); };
    return answer;
  });
  bench.options.stall_timeout_s = 1;
  CHECK(bench.Fetch(BlobOf(blob)).ok());
  ended.Change([](bool& end) { end = true; });
}

TEST_CASE("a foreign layer does not lead to a metadata service") {  // hostile 41
  Bench bench([](const TestRequest&) { return TestResponse{404}; });
  Descriptor foreign = BlobOf("foreign");
  foreign.urls = {"http://169.254.169.254/latest/meta-data"};
  absl::Status status = bench.Fetch(foreign);
  CHECK(Message(status).find("169.254.169.254 is refused") != std::string::npos);
}

TEST_CASE("a challenge does not lead to a metadata service") {
  Bench bench([](const TestRequest&) { return TestResponse{401, {{"WWW-Authenticate", "Bearer realm=\"http://169.254.169.254/token\",service=\"s\""}}, ""}; });
  auto resolved = bench.Resolve("v1");
  CHECK(Message(resolved.status()).find("169.254.169.254 is refused") != std::string::npos);
}

TEST_CASE("a refusal without a body is explained by what the same question with GET is answered") {
  Bench bench([](const TestRequest& request) { return TestResponse{403, {}, request.method == "GET" ? R"({"errors":[{"code":"DENIED","message":"quota exceeded"}]})" : ""}; });
  CHECK(Message(bench.Resolve("v1").status()).find("from HEAD request to http://") != std::string::npos);
  CHECK(Message(bench.Resolve("v1").status()).find("quota exceeded") != std::string::npos);
}

}  // namespace
}  // namespace bk::registry
