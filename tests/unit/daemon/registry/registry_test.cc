// The distribution client against a server whose every answer the test decides.
#include "daemon/registry/registry.h"

#include "base/task_group.h"
#include "tests/unit/daemon/registry/bench.h"

namespace bk::registry {
namespace {

TEST_CASE("a tag resolves to the digest, type and size that the registry names") {
  Bench bench([](const TestRequest& request) { return request.path == "/v2/app/one/manifests/v1" ? Manifest() : TestResponse{404}; });
  auto resolved = bench.Resolve("v1");
  REQUIRE(resolved.ok());
  CHECK(resolved->digest == DigestOf(kManifest));
  CHECK(resolved->media_type == media_type::kOciManifest);
  CHECK(resolved->size == static_cast<int64_t>(kManifest.size()));
}

TEST_CASE("a missing tag is reported with the reference as it was asked for") {
  Bench bench([](const TestRequest&) { return TestResponse{404}; });
  auto resolved = bench.Resolve("gone");
  CHECK(absl::IsNotFound(resolved.status()));
  CHECK(Message(resolved.status()) == bench.server.host() + "/app/one:gone: not found");
}

TEST_CASE("a refusal shows status and text of the server") {
  Bench bench([](const TestRequest&) { return TestResponse{403, {}, R"({"errors":[{"code":"DENIED","message":"not for you"}]})"}; });
  auto resolved = bench.Resolve("v1");
  CHECK_FALSE(resolved.ok());
  CHECK(Message(resolved.status()).find("403 Forbidden") != std::string::npos);
}

TEST_CASE("a blob that a cut connection interrupts is continued where it ended") {
  std::string blob = LongText();
  Bench bench([&](const TestRequest& request) -> TestResponse {
    TestResponse answer = Ranged(request, blob);
    if (answer.status == 200) answer.cut_after = blob.size() / 3;
    return answer;
  });
  CHECK(bench.Fetch(BlobOf(blob)).ok());
  CHECK(*bench.store->Read(DigestOf(blob), 1 << 20) == blob);
  CHECK(bench.server.log().size() == 2);
}

TEST_CASE("a server that ignores ranges sends the blob again from its start") {
  std::string blob = LongText();
  int requests = 0;
  Bench bench([&](const TestRequest&) -> TestResponse { return {200, {}, blob, requests++ == 0 ? blob.size() / 2 : std::string::npos}; });
  CHECK(bench.Fetch(BlobOf(blob)).ok());
  CHECK(*bench.store->Read(DigestOf(blob), 1 << 20) == blob);
}

TEST_CASE("bytes of another digest are refused and not kept") {
  std::string blob = "what was promised", other = "what was given ..";
  REQUIRE(blob.size() == other.size());
  Bench bench([&](const TestRequest&) { return TestResponse{200, {}, other}; });
  CHECK_FALSE(bench.Fetch(BlobOf(blob)).ok());
  CHECK_FALSE(bench.store->Has(DigestOf(blob)));
  CHECK_FALSE(bench.store->Has(DigestOf(other)));
}

TEST_CASE("a blob shorter or longer than declared is refused") {
  for (std::string given : {std::string("short"), std::string("much longer than it was declared")}) {
    std::string blob = "declared size";
    Bench bench([&](const TestRequest&) { return TestResponse{200, {}, given}; });
    CHECK_FALSE(bench.Fetch(BlobOf(blob)).ok());
    CHECK_FALSE(bench.store->Has(DigestOf(blob)));
  }
}

TEST_CASE("documents above the limit are refused before anything is read") {
  Bench bench([](const TestRequest&) { return TestResponse{200}; });
  Descriptor big = BlobOf("x");
  big.media_type = media_type::kOciManifest;
  big.size = kMaxDocumentBytes + 1;
  CHECK(absl::IsResourceExhausted(bench.Fetch(big)));
  CHECK(bench.server.log().empty());
}

TEST_CASE("server errors are tried again") {
  int requests = 0;
  Bench bench([&](const TestRequest&) { return requests++ < 2 ? TestResponse{503} : Manifest(); });
  CHECK(bench.Resolve("v1").ok());
}

TEST_CASE("basic credentials come from the client once and are used from then on") {
  Bench bench([](const TestRequest& request) -> TestResponse {
    auto given = request.headers.find("authorization");
    if (given == request.headers.end()) return {401, {{"WWW-Authenticate", "Basic realm=\"test\""}}};
    return given->second == "Basic " + Base64Encode("user:secret") ? Manifest() : TestResponse{401, {{"WWW-Authenticate", "Basic realm=\"test\""}}};
  });
  bench.sessions.client->credentials = {"user", "secret"};
  CHECK(bench.Resolve("v1").ok());
  CHECK(bench.Resolve("v2").ok());
  CHECK(bench.sessions.client->credential_requests == 1);
}

TEST_CASE("wrong basic credentials end with an error, not a loop") {
  Bench bench([](const TestRequest&) { return TestResponse{401, {{"WWW-Authenticate", "Basic realm=\"test\""}}}; });
  bench.sessions.client->credentials = {"user", "wrong"};
  CHECK_FALSE(bench.Resolve("v1").ok());
  CHECK(bench.server.log().size() < 10);
}

TEST_CASE("the client fetches the token that a challenge asks for") {
  Bench bench([](const TestRequest& request) -> TestResponse {
    auto given = request.headers.find("authorization");
    if (given != request.headers.end() && given->second == "Bearer good") return Manifest();
    return {401, {{"WWW-Authenticate", "Bearer realm=\"http://127.0.0.1:1/token\",service=\"svc\",scope=\"repository:app/one:pull\""}}};
  });
  bench.sessions.client->token = {"good", 300, 0};
  bench.sessions.client->authority = std::string(32, 'k');
  CHECK(bench.Resolve("v1").ok());
  REQUIRE(bench.sessions.client->token_requests.size() == 1);
  const auto& asked = bench.sessions.client->token_requests[0];
  CHECK(asked.realm == "http://127.0.0.1:1/token");
  CHECK(asked.service == "svc");
  CHECK(asked.scopes == std::vector<std::string>{"repository:app/one:pull"});
}

TEST_CASE("without a client that makes tokens the daemon asks the token server") {
  std::string realm;
  Bench bench([&](const TestRequest& request) -> TestResponse {
    if (request.path == "/token") return {200, {{"Content-Type", "application/json"}}, R"({"token":"made","expires_in":300})"};
    auto given = request.headers.find("authorization");
    if (given != request.headers.end() && given->second == "Bearer made") return Manifest();
    return {401, {{"WWW-Authenticate", "Bearer realm=\"" + realm + "\",service=\"svc\",scope=\"repository:app/one:pull\""}}};
  });
  realm = "http://" + bench.server.host() + "/token";
  CHECK(bench.Resolve("v1").ok());
}

TEST_CASE("mirrors are asked first, with the namespace, and the registry itself when they do not have it") {  // INF-001
  std::vector<std::string> asked;
  testing::HttpServer mirror([&](const TestRequest& request) {
    asked.push_back(request.path + "?" + request.query);
    return request.path.ends_with("/v1") ? Manifest() : TestResponse{404};
  });
  Bench bench([](const TestRequest&) { return Manifest(); });
  bench.hosts[bench.server.host()].mirrors = {mirror.host()};
  CHECK(bench.Resolve("v1").ok());
  CHECK(bench.server.log().empty());
  CHECK(bench.Resolve("v2").ok());
  CHECK(bench.server.log().size() == 1);
  REQUIRE(asked.size() == 2);
  CHECK(asked[0].find("ns=") != std::string::npos);
}

TEST_CASE("one blob asked for at the same time is fetched once") {  // CAC-015
  std::string blob = LongText();
  Bench bench([&](const TestRequest&) { return TestResponse{200, {}, blob}; });
  bench.client();
  {
    TaskGroup tasks;
    for (int i = 0; i < 8; i++) tasks.Run([&] { CHECK(bench.Fetch(BlobOf(blob)).ok()); });
  }
  CHECK(bench.server.log().size() == 1);
}

TEST_CASE("a cancelled token ends a transfer with its cause") {
  CancelSource stop;
  std::string blob = LongText();
  Bench bench([&](const TestRequest&) {
    stop.Cancel();
    return TestResponse{503};
  });
  absl::Status status = bench.client().Fetch(stop.token(), bench.context, bench.Ref("v1"), BlobOf(blob));
  CHECK(absl::IsCancelled(status));
}

}  // namespace
}  // namespace bk::registry
