// Pushes against a server whose every answer the test decides: what is sent, what is not, and how.
#include <algorithm>

#include "base/go_url.h"

#include "tests/unit/daemon/registry/bench.h"

namespace bk::registry {
namespace {

// A registry of one repository that takes uploads; what a test wants otherwise it says in `before`.
struct Taking {
  Guarded<std::map<std::string, std::string>> blobs;  // by digest
  Guarded<std::map<std::string, std::string>> parts;  // by path of the upload
  Guarded<std::vector<std::string>> tags;
  std::function<std::optional<TestResponse>(const TestRequest&)> before = [](const TestRequest&) { return std::nullopt; };

  TestResponse Answer(const TestRequest& request) {
    if (auto answer = before(request)) return *answer;
    std::string last = request.path.substr(request.path.rfind('/') + 1);
    if (request.path.find("/manifests/") != std::string::npos) {
      if (request.method != "PUT") return {404};
      tags.With([&](auto& all) { all.push_back(last); });
      return {201};
    }
    if (request.method == "HEAD") return {blobs.With([&](auto& all) { return all.contains(last); }) ? 200 : 404};
    if (request.method == "POST") return {202, {{"Location", "/v2/app/one/blobs/uploads/1?state=a%2Fb"}}, ""};
    return parts.With([&](auto& all) -> TestResponse {
      std::string& part = all[request.path];
      part += request.body;
      if (request.method == "PATCH") return {202, {{"Location", request.path + "?state=" + std::to_string(part.size())}}, ""};
      if (request.method == "GET") return {204, {{"Range", StrCat("0-", part.size() - 1)}, {"Location", request.path}}, ""};
      std::string digest = request.query.substr(request.query.find("digest=") + 7);
      digest = *QueryUnescape(digest.substr(0, digest.find('&')));
      if (DigestOf(part).str() != digest) {
        part.clear();
        return {400, {}, R"({"errors":[{"code":"DIGEST_INVALID","message":"provided digest did not match uploaded content"}]})"};
      }
      blobs.With([&](auto& stored) { stored[digest] = part; });
      part.clear();
      return {201};
    });
  }
};

struct PushBench {
  Taking taking;
  Bench bench{[this](const TestRequest& request) { return taking.Answer(request); }};
  PushRequest request;

  explicit PushBench(const std::string& text = "a layer", bool stored = true) {
    Descriptor layer = BlobOf(text), manifest = BlobOf(kManifest);
    manifest.media_type = media_type::kOciManifest;
    if (stored) REQUIRE(bench.store->Put(text, layer.digest).ok());
    REQUIRE(bench.store->Put(kManifest, manifest.digest).ok());
    request.ref = bench.server.host() + "/app/one:v1";
    request.blobs = {layer};
    request.manifests = {manifest};
  }
  absl::Status Push() { return bench.client().Push(CancelToken::Never(), bench.context, request); }
  std::vector<std::string> Requests(const std::string& begin) const {
    auto all = bench.server.log();
    std::erase_if(all, [&](const std::string& line) { return !line.starts_with(begin); });
    return all;
  }
  std::string Stored() { return taking.blobs.With([&](auto& all) { return all[request.blobs[0].digest.str()]; }); }
};

TEST_CASE("what is there is not sent") {  // INF-006
  PushBench push;
  push.taking.blobs.With([&](auto& all) { all[push.request.blobs[0].digest.str()] = "there"; });
  CHECK(push.Push().ok());
  CHECK(push.Requests("POST").empty());
  CHECK(push.Requests("PUT").size() == 1);
}

TEST_CASE("several tags of a repository: blobs are looked for once, the manifest is put under each") {
  PushBench push;
  push.request.more_tags = {"v2", "latest"};
  CHECK(push.Push().ok());
  CHECK(push.Requests("HEAD /v2/app/one/blobs/").size() == 1);
  CHECK(push.Requests("POST").size() == 1);
  CHECK(push.taking.tags.With([](auto& all) { return all; }) == std::vector<std::string>{"v1", "v2", "latest"});
}

TEST_CASE("a layer that another repository of the registry has is mounted, and neither fetched nor sent") {  // EXP-031
  PushBench push("a layer", false);
  push.request.fetch = [](const CancelToken&, const Descriptor&) { return Internal("fetched"); };
  push.taking.before = [](const TestRequest& request) -> std::optional<TestResponse> {
    if (request.method == "POST" && request.query.find("from=library%2Fbase") != std::string::npos) return TestResponse{201};
    return std::nullopt;
  };
  push.bench.client().NotePlaces({push.bench.server.host() + "/library/base", "v1"}, push.request.blobs);
  absl::Status pushed = push.Push();
  CHECK_MESSAGE(pushed.ok(), Message(pushed));
  CHECK(push.Requests("PUT /v2/app/one/blobs").empty());
}

TEST_CASE("what cannot be mounted is fetched and sent") {
  for (int status : {202, 401, 403, 404, 405, 500}) {
    CAPTURE(status);
    PushBench push("a layer", false);
    int fetched = 0;
    push.request.fetch = [&](const CancelToken&, const Descriptor& blob) {
      fetched++;
      return push.bench.store->Put("a layer", blob.digest);
    };
    push.taking.before = [&](const TestRequest& request) -> std::optional<TestResponse> {
      if (request.query.find("from=") == std::string::npos) return std::nullopt;
      return TestResponse{status, {{"Location", "/v2/app/one/blobs/uploads/2"}}, ""};
    };
    push.bench.client().NotePlaces({push.bench.server.host() + "/library/base", "v1"}, push.request.blobs);
    absl::Status pushed = push.Push();
    CHECK_MESSAGE(pushed.ok(), Message(pushed));
    CHECK(fetched == 1);
    CHECK(push.Stored() == "a layer");
  }
}

TEST_CASE("bodies that are too large are sent in pieces") {  // hostile 43: 413
  std::string large(3 << 20, 'x');
  PushBench push(large);
  push.taking.before = [](const TestRequest& request) -> std::optional<TestResponse> {
    if (request.body.size() > (1 << 20)) return TestResponse{413, {}, R"({"errors":[{"message":"too large"}]})"};
    return std::nullopt;
  };
  absl::Status pushed = push.Push();
  CHECK_MESSAGE(pushed.ok(), Message(pushed));
  CHECK(push.Stored() == large);
  CHECK(push.Requests("PATCH").size() > 2);
}

TEST_CASE("a registry that takes nothing at all is not asked for ever") {
  PushBench push(std::string(3 << 20, 'x'));
  push.taking.before = [](const TestRequest& request) -> std::optional<TestResponse> {
    if (!request.body.empty() && request.path.find("/blobs/") != std::string::npos) return TestResponse{413, {}, R"({"errors":[{"message":"too large"}]})"};
    return std::nullopt;
  };
  CHECK(Message(push.Push()).find("413 Request Entity Too Large: too large") != std::string::npos);
  CHECK(push.bench.server.log().size() < 12);
}

TEST_CASE("a piece that broke off goes on where the registry says") {
  std::string large(2 << 20, 'x');
  large.back() = 'y';
  PushBench push(large);
  int patches = 0;
  push.taking.before = [&](const TestRequest& request) -> std::optional<TestResponse> {
    if (request.method == "PUT" && request.body.size() > (1 << 20)) return TestResponse{413};
    if (request.method != "PATCH" || ++patches != 2) return std::nullopt;
    push.taking.parts.With([&](auto& all) { all[request.path] += request.body.substr(0, 1000); });
    return TestResponse{500};
  };
  absl::Status pushed = push.Push();
  CHECK_MESSAGE(pushed.ok(), Message(pushed));
  CHECK(push.Stored() == large);
  CHECK(push.Requests("GET").size() == 1);
}

TEST_CASE("an upload that the registry forgot or broke is begun anew") {  // hostile 43: 400 after an idle PUT
  for (int status : {400, 404, 416, 500, 503}) {
    CAPTURE(status);
    PushBench push;
    int puts = 0;
    push.taking.before = [&](const TestRequest& request) -> std::optional<TestResponse> {
      if (request.method == "PUT" && request.path.find("/blobs/") != std::string::npos && puts++ == 0) return TestResponse{status};
      return std::nullopt;
    };
    CHECK(push.Push().ok());
    CHECK(push.Requests("POST").size() == 2);
    CHECK(push.Stored() == "a layer");
  }
}

TEST_CASE("a refused upload shows what the registry says, once") {
  PushBench push;
  push.taking.before = [&](const TestRequest& request) -> std::optional<TestResponse> {
    if (request.method == "PUT") return TestResponse{403, {}, R"({"errors":[{"code":"DENIED","message":"quota exceeded"}]})"};
    return std::nullopt;
  };
  CHECK(Message(push.Push()).find("403 Forbidden: denied: quota exceeded") != std::string::npos);
  CHECK(push.Requests("PUT").size() == 1);
}

TEST_CASE("uploads lead to no metadata service, and credentials not to another host") {  // hostile 41
  PushBench push;
  push.taking.before = [](const TestRequest& request) -> std::optional<TestResponse> {
    if (request.method == "POST") return TestResponse{202, {{"Location", "http://169.254.169.254/latest"}}, ""};
    return std::nullopt;
  };
  CHECK(Message(push.Push()).find("169.254.169.254 is refused") != std::string::npos);

  Guarded<std::string> seen;
  testing::HttpServer storage([&](const TestRequest& request) {
    seen.With([&](std::string& text) { text = request.headers.contains("authorization") ? "credentials" : "nothing"; });
    return TestResponse{201};
  });
  PushBench other;
  other.bench.sessions.client->credentials = {"user", "secret"};
  other.taking.before = [&](const TestRequest& request) -> std::optional<TestResponse> {
    if (!request.headers.contains("authorization")) return TestResponse{401, {{"WWW-Authenticate", "Basic realm=\"test\""}}, ""};
    if (request.method == "POST") return TestResponse{202, {{"Location", "http://" + storage.host() + "/upload"}}, ""};
    return std::nullopt;
  };
  CHECK(other.Push().ok());
  CHECK(seen.With([](std::string& text) { return text; }) == "nothing");
}

TEST_CASE("children go before the root, and bytes are told") {  // INF-006, SRC-014
  PushBench push;
  std::string child = R"({"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","x":1})";
  Descriptor lower = BlobOf(child);
  lower.media_type = media_type::kOciManifest;
  REQUIRE(push.bench.store->Put(child, lower.digest).ok());
  push.request.manifests.insert(push.request.manifests.begin(), lower);
  CHECK(push.Push().ok());
  CHECK(push.taking.tags.With([](auto& all) { return all; }) == std::vector<std::string>{lower.digest.str(), "v1"});
  auto statuses = push.bench.listener->statuses();
  auto layers = std::find_if(statuses.begin(), statuses.end(), [](const auto& status) { return status.id == "pushing layers" && status.completed_ns != 0; });
  REQUIRE(layers != statuses.end());
  CHECK(layers->current == 7);
  CHECK(layers->total == 7);
}

}  // namespace
}  // namespace bk::registry
