// http(s):// against a server that answers as each case says, over a real store.
#include "daemon/source/http/http.h"

#include <doctest/doctest.h>
#include <sys/stat.h>

#include <thread>

#include "base/os/file.h"
#include "daemon/cache/store.h"
#include "daemon/source/identifier.h"
#include "tests/unit/support/gzip.h"
#include "tests/unit/support/fake_session.h"
#include "tests/unit/support/http_server.h"

namespace bk::source {
namespace {

using testing::Gzip;
using testing::TestRequest;
using testing::TestResponse;

struct Sink : solver::ProgressSink {
  Guarded<std::vector<solver::StatusEvent>> told;
  Guarded<std::string> logged;
  void Vertex(const solver::VertexEvent&) override {}
  void Status(const solver::StatusEvent& event) override {
    told.With([&](auto& all) { all.push_back(event); });
  }
  void Log(const solver::LogEvent& event) override {
    logged.With([&](auto& text) { text += event.data; });
  }
  void Warning(const solver::WarningEvent&) override {}
};

// One daemon with a server that remembers what it was asked.
struct Bench {
  explicit Bench(std::function<TestResponse(const TestRequest&)> handler, HttpSourceOptions options = {})
      : answer(std::move(handler)), server([this](const TestRequest& request) {
          asked.With([&](auto& all) { all.push_back(request); });
          return answer(request);
        }) {
    auto opened = cache::Store::Open({temp.path(), "native"});
    REQUIRE_MESSAGE(opened.ok(), Message(opened.status()));
    store = *std::move(opened);
    options.client = &client;
    options.sessions = &sessions;
    options.cache = &store->manager();
    options.backoff_ms = 1;
    source = MakeHttpSource(options);
    context.progress = solver::VertexProgress(sink, DigestOf("vertex"));
  }
  std::string Url(const std::string& path) const { return "http://" + server.host() + path; }
  std::unique_ptr<SourceInstance> Instance(const std::string& url, const Attributes& attrs = {}) {
    auto instance = source->Resolve({url, attrs, {}});
    REQUIRE_MESSAGE(instance.ok(), Message(instance.status()));
    return *std::move(instance);
  }
  // What one build does: the key, then the tree.
  absl::StatusOr<cache::ImmutablePtr> Build(const std::string& path, const Attributes& attrs = {}) {
    auto instance = Instance(path.starts_with('/') ? Url(path) : path, attrs);
    auto key = instance->CacheKey(CancelToken::Never(), context, 0);
    if (!key.ok()) return key.status();
    last_key = *key;
    return instance->Snapshot(CancelToken::Never(), context);
  }
  std::string BuildError(const std::string& path, const Attributes& attrs = {}) {
    auto built = Build(path, attrs);
    return built.ok() ? "(built)" : Message(built.status());
  }
  std::string Path(const cache::ImmutablePtr& ref, const std::string& name) {
    auto mount = ref->Mount(CancelToken::Never(), context, true);
    REQUIRE(mount.ok());
    return (*mount)->mounts()[0].source + "/" + name;
  }
  std::string Read(const cache::ImmutablePtr& ref, const std::string& name) { return os::ReadFile(Path(ref, name)).value_or("(missing)"); }
  std::vector<std::string> Log() const { return server.log(); }
  TestRequest Asked(size_t n) {
    return asked.With([&](auto& all) { return all.at(n); });
  }

  os::TempDir temp = *os::TempDir::Make("http-source-");
  std::function<TestResponse(const TestRequest&)> answer;
  Guarded<std::vector<TestRequest>> asked;
  testing::HttpServer server;
  registry::HttpClient client;
  testing::FakeSessions sessions;
  std::unique_ptr<cache::Store> store;
  std::unique_ptr<Source> source;
  std::shared_ptr<Sink> sink = std::make_shared<Sink>();
  cache::FetchContext context{{"session"}, {}};
  SourceKey last_key;
};

using Log = std::vector<std::string>;

TEST_CASE("a download is one file with the mode, owner and time that were asked for") {  // SRC-038, SRC-039, SRC-040, SRC-046
  Bench bench([](const TestRequest&) { return TestResponse{200, {{"Last-Modified", "Tue, 15 Nov 1994 12:45:26 GMT"}}, "payload"}; });
  auto plain = bench.Build("/dir/file.txt");
  REQUIRE_MESSAGE(plain.ok(), Message(plain.status()));
  CHECK(bench.Read(*plain, "file.txt") == "payload");
  struct stat st;
  REQUIRE(stat(bench.Path(*plain, "file.txt").c_str(), &st) == 0);
  CHECK((st.st_mode & 07777) == 0600);
  CHECK(st.st_mtime == 784903526);
  CHECK(st.st_uid == getuid());
  Attributes attrs = {{"http.perm", "04751"}, {"http.uid", std::to_string(getuid())}, {"http.gid", std::to_string(getgid())}};
  auto owned = bench.Build("/dir/file.txt", attrs);
  REQUIRE_MESSAGE(owned.ok(), Message(owned.status()));
  REQUIRE(stat(bench.Path(*owned, "file.txt").c_str(), &st) == 0);
  CHECK((st.st_mode & 07777) == 0751);
}

TEST_CASE("without a date the file is of the epoch") {  // SRC-046
  Bench bench([](const TestRequest&) { return TestResponse{200, {}, "x"}; });
  auto built = bench.Build("/f");
  REQUIRE(built.ok());
  struct stat st;
  REQUIRE(stat(bench.Path(*built, "f").c_str(), &st) == 0);
  CHECK(st.st_mtime == 0);
}

TEST_CASE("owners that mean something else to the kernel are refused") {  // SRC-039
  Bench bench([](const TestRequest&) { return TestResponse{}; });
  for (const char* id : {"-1", "4294967295", "4294967296"}) {
    CHECK(Message(bench.source->Resolve({bench.Url("/f"), {{"http.uid", id}}, {}}).status()).find("invalid owner") != std::string::npos);
  }
}

TEST_CASE("names come from the attribute, the header, the path; none leaves the tree") {  // SRC-037, hostile 40
  std::string disposition;
  Bench bench([&](const TestRequest&) { return TestResponse{200, {{"Content-Disposition", disposition}}, "x"}; });
  auto name_of = [&](const std::string& header, const Attributes& attrs = {}) {
    disposition = header;
    auto built = bench.Build("/dir/of-url", attrs);
    if (!built.ok()) return Message(built.status());
    auto names = os::ListDir(bench.Path(*built, ""));
    REQUIRE(names->size() == 1);
    return names->at(0);
  };
  CHECK(name_of("") == "of-url");
  CHECK(name_of("attachment; filename=\"from header.tgz\"") == "from header.tgz");
  CHECK(name_of("attachment; filename=\"x\"", {{"http.filename", "given"}}) == "given");
  CHECK(name_of("attachment; filename=\"../../x\"") == "x");
  CHECK(name_of("attachment; filename=\"/abs/y\"") == "y");
  CHECK(name_of("attachment; filename=\"..\"") == "download");
  CHECK(name_of("attachment; filename=\"\"") == "of-url");
  CHECK(name_of("", {{"http.filename", ".."}}) == "download");
  CHECK(name_of("attachment; filename=\"" + std::string(4096, 'a') + "\"") == "download");
}

TEST_CASE("an unchanged file is not sent again, after a restart neither") {  // SRC-045
  std::string etag = "\"one\"", body = "first";
  Bench bench([&](const TestRequest& request) {
    if (request.headers.contains("if-none-match") && request.headers.at("if-none-match").find(etag) != std::string::npos) return TestResponse{304, {{"ETag", etag}}, ""};
    return TestResponse{200, {{"ETag", etag}, {"Last-Modified", "Tue, 15 Nov 1994 12:45:26 GMT"}}, body};
  });
  REQUIRE(bench.Build("/f").ok());
  SourceKey first = bench.last_key;
  bench.source.reset();
  bench.store.reset();
  auto opened = cache::Store::Open({bench.temp.path(), "native"});
  REQUIRE(opened.ok());
  bench.store = *std::move(opened);
  bench.source = MakeHttpSource({&bench.client, &bench.sessions, &bench.store->manager(), 0, 1});
  auto again = bench.Build("/f");
  REQUIRE_MESSAGE(again.ok(), Message(again.status()));
  CHECK(bench.Read(*again, "f") == "first");
  CHECK(bench.last_key.key == first.key);
  CHECK(bench.Log() == Log{"GET /f", "HEAD /f"});
  etag = "\"two\"";
  body = "second";
  auto changed = bench.Build("/f");
  REQUIRE(changed.ok());
  CHECK(bench.Read(*changed, "f") == "second");
  CHECK(bench.last_key.key != first.key);
  CHECK(bench.Log() == Log{"GET /f", "HEAD /f", "HEAD /f", "GET /f"});
  // Both are known now; the server may go back to the first.
  etag = "\"one\"";
  auto back = bench.Build("/f");
  REQUIRE(back.ok());
  CHECK(bench.Read(*back, "f") == "first");
  CHECK(bench.last_key.key == first.key);
  CHECK(bench.Asked(4).headers["if-none-match"] == "\"one\", \"two\"");
}

TEST_CASE("servers that compare no tags, hide them in a 304 or know no HEAD") {  // SRC-045
  int head_status = 200;
  bool conditional = false, names_tag = true;
  Bench bench([&](const TestRequest& request) -> TestResponse {
    if (request.method == "HEAD" && head_status != 200) return {head_status, {}, ""};
    if (conditional && request.headers.contains("if-none-match")) {
      if (names_tag) return {304, {{"ETag", "W/\"tag\""}}, ""};
      return {304, {}, ""};
    }
    return {200, {{"ETag", "W/\"tag\""}}, "body"};
  });
  REQUIRE(bench.Build("/f").ok());
  REQUIRE(bench.Build("/f").ok());
  CHECK(bench.Log() == Log{"GET /f", "HEAD /f"});
  head_status = 405;
  conditional = true;
  REQUIRE(bench.Build("/f").ok());
  names_tag = false;
  auto last = bench.Build("/f");
  REQUIRE_MESSAGE(last.ok(), Message(last.status()));
  CHECK(bench.Read(*last, "f") == "body");
  CHECK(bench.Log() == Log{"GET /f", "HEAD /f", "HEAD /f", "GET /f", "HEAD /f", "GET /f"});
}

TEST_CASE("an answer that does not change keeps its name where a 304 says none") {
  Bench bench([](const TestRequest& request) -> TestResponse {
    if (request.headers.contains("if-none-match")) return {304, {{"ETag", "\"t\""}}, ""};
    return {200, {{"ETag", "\"t\""}, {"Content-Disposition", "attachment; filename=named"}}, "x"};
  });
  REQUIRE(bench.Build("/f").ok());
  std::string key = bench.last_key.key;
  auto again = bench.Build("/f");
  REQUIRE(again.ok());
  CHECK(bench.last_key.key == key);
  CHECK(bench.Read(*again, "named") == "x");
}

TEST_CASE("a build without the right to it does not get what another one brought") {  // SRC-049
  Bench bench([](const TestRequest& request) -> TestResponse {
    auto found = request.headers.find("authorization");
    if (found == request.headers.end() || found->second != "Bearer secret") return {401, {}, "who are you"};
    return {200, {{"ETag", "\"t\""}}, "private"};
  });
  bench.sessions.client->secrets["HTTP_AUTH_TOKEN_127.0.0.1"] = "secret";
  REQUIRE(bench.Build("/f").ok());
  bench.sessions.client->secrets.clear();
  CHECK(bench.BuildError("/f") == "invalid response status 401");
  CHECK(bench.Log() == Log{"GET /f", "HEAD /f", "GET /f"});
}

TEST_CASE("a checksum is checked, and what fits it needs no request") {  // SRC-036
  Bench bench([](const TestRequest&) { return TestResponse{200, {{"ETag", "\"t\""}}, "payload"}; });
  std::string right = DigestOf("payload").str(), wrong = DigestOf("other").str();
  CHECK(bench.BuildError("/f", {{"http.checksum", wrong}}) == StrCat("digest mismatch ", right, ": ", wrong));
  CHECK(bench.store->manager().DiskUsage(CancelToken::Never(), {})->empty());
  auto instance = bench.Instance(bench.Url("/f"), {{"http.checksum", right}});
  size_t before = bench.Log().size();
  REQUIRE(instance->CacheKey(CancelToken::Never(), bench.context, 0).ok());
  CHECK(bench.Log().size() == before);
  REQUIRE(instance->Snapshot(CancelToken::Never(), bench.context).ok());
  auto again = bench.Build("/f", {{"http.checksum", right}});
  REQUIRE(again.ok());
  CHECK(bench.Read(*again, "f") == "payload");
  CHECK(bench.Log().size() == before + 1);
  // sha512 of "payload"
  std::string other = "sha512:";
  CHECK(bench.BuildError("/f", {{"http.checksum", other + std::string(128, 'a')}}).starts_with("digest mismatch sha512:"));
}

TEST_CASE("headers of the user: two names, and never two lines in one") {  // SRC-042
  Bench bench([](const TestRequest&) { return TestResponse{200, {}, "x"}; });
  REQUIRE(bench.Build("/f", {{"http.header.accept", "a/b"}, {"http.header.user-agent", "me"}, {"http.header.cookie", "no"}}).ok());
  CHECK(bench.Asked(0).headers["accept"] == "a/b");
  CHECK(bench.Asked(0).headers["user-agent"] == "me");
  CHECK_FALSE(bench.Asked(0).headers.contains("cookie"));
  CHECK(bench.BuildError("/f", {{"http.header.accept", "a\r\nX-Evil: 1"}}).find("invalid header field value for \"Accept\"") != std::string::npos);
  CHECK(bench.Log().size() == 1);
}

TEST_CASE("credentials: a named secret, or those of the host; errors do not show them") {  // SRC-041
  Bench bench([](const TestRequest&) { return TestResponse{200, {}, "x"}; });
  auto& secrets = bench.sessions.client->secrets;
  CHECK(bench.BuildError("/f", {{"http.authheadersecret", "MINE"}}) == "failed to retrieve HTTP auth secret MINE: secret MINE: not found");
  secrets = {{"MINE", "Basic abc"}, {"HTTP_AUTH_HEADER_127.0.0.1", "Basic host"}};
  REQUIRE(bench.Build("/f", {{"http.authheadersecret", "MINE"}}).ok());
  REQUIRE(bench.Build("/f").ok());
  secrets["HTTP_AUTH_TOKEN_127.0.0.1"] = "tok";
  REQUIRE(bench.Build("/g").ok());
  CHECK(bench.Asked(0).headers["authorization"] == "Basic abc");
  CHECK(bench.Asked(1).headers["authorization"] == "Basic host");
  CHECK(bench.Asked(2).headers["authorization"] == "Bearer tok");
  secrets["HTTP_AUTH_TOKEN_127.0.0.1"] = "hidden\nX: y";
  std::string said = bench.BuildError("/h");
  CHECK(said.find("invalid header field value for \"Authorization\"") != std::string::npos);
  CHECK(said.find("hidden") == std::string::npos);
}

TEST_CASE("credentials go to the URL's own host only") {  // SRC-041, hostile 41
  Bench other([](const TestRequest&) { return TestResponse{200, {}, "elsewhere"}; });
  Bench bench([&](const TestRequest& request) -> TestResponse {
    if (request.path == "/away") return {302, {{"Location", other.Url("/target")}}, ""};
    if (request.path == "/here") return {307, {{"Location", "/target"}}, ""};
    return {200, {}, "local"};
  });
  bench.sessions.client->secrets["MINE"] = "Basic abc";
  auto away = bench.Build("/away", {{"http.authheadersecret", "MINE"}, {"http.header.accept", "a/b"}});
  REQUIRE_MESSAGE(away.ok(), Message(away.status()));
  CHECK(bench.Read(*away, "away") == "elsewhere");  // the name is of the URL that was asked for
  CHECK(bench.Asked(0).headers["authorization"] == "Basic abc");
  CHECK_FALSE(other.Asked(0).headers.contains("authorization"));
  CHECK(other.Asked(0).headers["accept"] == "a/b");
  REQUIRE(bench.Build("/here", {{"http.authheadersecret", "MINE"}}).ok());
  CHECK(bench.Asked(2).path == "/target");
  CHECK(bench.Asked(2).headers["authorization"] == "Basic abc");
}

TEST_CASE("redirects to files, to metadata services and in circles are refused") {  // hostile 41
  std::string location;
  Bench bench([&](const TestRequest&) { return TestResponse{302, {{"Location", location}}, ""}; });
  location = "file:///etc/passwd";
  CHECK(bench.BuildError("/f").find("unsupported protocol scheme \"file\"") != std::string::npos);
  for (const char* target : {"http://169.254.169.254/latest/meta-data", "http://[fe80::1]/", "http://[fd00:ec2::254]/", "http://[::ffff:169.254.169.254]/", "http://2852039166/", "http://0xa9.0xfe.0xa9.0xfe/"}) {
    location = target;
    CAPTURE(location);
    CHECK(bench.BuildError("/f").find("is refused") != std::string::npos);
  }
  size_t before = bench.Log().size();
  location = "/f";
  CHECK(bench.BuildError("/f").find("stopped after 10 redirects") != std::string::npos);
  CHECK(bench.Log().size() == before + 11);
}

TEST_CASE("a cut answer is continued where it ended") {  // SRC-049
  std::string body(100000, 'x');
  for (size_t i = 0; i < body.size(); i++) body[i] = static_cast<char>(i * 7);
  Bench bench([&](const TestRequest& request) -> TestResponse {
    std::vector<std::pair<std::string, std::string>> headers = {{"ETag", "\"t\""}};
    auto range = request.headers.find("range");
    if (range == request.headers.end()) return {200, headers, body, 30000};
    size_t from = std::stoul(range->second.substr(6));
    headers.emplace_back("Content-Range", StrCat("bytes ", from, "-", body.size() - 1, "/", body.size()));
    return {206, headers, body.substr(from), from < 60000 ? 30000 : std::string::npos};
  });
  auto built = bench.Build("/f");
  REQUIRE_MESSAGE(built.ok(), Message(built.status()));
  CHECK(bench.Read(*built, "f") == body);
  CHECK(bench.last_key.pin == DigestOf(body).str());
  REQUIRE(bench.Log().size() == 3);
  CHECK(bench.Asked(1).headers["range"] == "bytes=30000-");
  CHECK(bench.Asked(1).headers["if-range"] == "\"t\"");
  CHECK(bench.Asked(2).headers["range"] == "bytes=60000-");
  CHECK(bench.sink->logged.With([](auto& text) { return text; }).find("continuing at byte 30000") != std::string::npos);
  auto told = bench.sink->told.With([](auto& all) { return all; });
  CHECK(told.back().id == "downloading f");
  CHECK(told.back().current == 100000);
  CHECK(told.back().total == 100000);
  CHECK(told.back().completed_ns != 0);
}

TEST_CASE("a gzip answer is continued as it was sent, and undone before it is hashed") {
  std::string plain;
  for (int i = 0; i < 20000; i++) plain += std::to_string(i * 7919);
  std::string packed = Gzip(plain);
  Bench bench([&](const TestRequest& request) -> TestResponse {
    std::vector<std::pair<std::string, std::string>> headers = {{"ETag", "\"t\""}, {"Content-Encoding", "gzip"}};
    auto range = request.headers.find("range");
    if (range == request.headers.end()) return {200, headers, packed, 1000};
    headers.emplace_back("Content-Range", StrCat("bytes 1000-", packed.size() - 1, "/", packed.size()));
    return {206, headers, packed.substr(1000)};
  });
  auto built = bench.Build("/f");
  REQUIRE_MESSAGE(built.ok(), Message(built.status()));
  CHECK(bench.Read(*built, "f") == plain);
  CHECK(bench.Asked(0).headers["accept-encoding"] == "gzip");
  CHECK(bench.last_key.pin == DigestOf(plain).str());
}

TEST_CASE("what cannot be continued begins anew; other parts are not mixed in") {
  const std::string body = "0123456789";
  int requests = 0;
  std::string mode;
  Bench bench([&](const TestRequest& request) -> TestResponse {
    bool ranged = request.headers.contains("range");
    requests++;
    if (mode == "no validator") {
      CHECK_FALSE(ranged);
      return {200, {}, body, requests == 1 ? 4 : std::string::npos};
    }
    if (requests == 1) return {200, {{"ETag", "\"old\""}}, "OLD-OLD-OL", 4};
    if (mode == "changed") return {200, {{"ETag", "\"new\""}}, body};
    if (mode == "wrong range" && ranged) return {206, {{"ETag", "\"old\""}, {"Content-Range", "bytes 2-9/10"}}, body.substr(2)};
    if (mode == "refused" && ranged) return {416, {}, ""};
    CHECK_FALSE(ranged);
    return {200, {{"ETag", "\"new\""}}, body};
  });
  for (const char* one : {"no validator", "changed", "wrong range", "refused"}) {
    mode = one;
    CAPTURE(mode);
    requests = 0;
    auto built = bench.Build(StrCat("/", one[0], one[1]));
    REQUIRE_MESSAGE(built.ok(), Message(built.status()));
    CHECK(bench.Read(*built, std::string(one, 2)) == body);
  }
}

TEST_CASE("a server in trouble is asked again, three times at most") {
  int failures = 2;
  Bench bench([&](const TestRequest&) -> TestResponse {
    if (failures-- > 0) return {503, {{"Retry-After", "0"}}, "later"};
    return {200, {}, "x"};
  });
  REQUIRE(bench.Build("/f").ok());
  CHECK(bench.Log().size() == 3);
  failures = 100;
  CHECK(bench.BuildError("/f") == "invalid response status 503");
  CHECK(bench.Log().size() == 7);
}

TEST_CASE("a server that always breaks off ends the build") {
  Bench bench([](const TestRequest&) { return TestResponse{200, {{"Content-Length", "100"}}, "only this", 8}; });
  CHECK(bench.BuildError("/f").find("unexpected EOF") != std::string::npos);
  CHECK(bench.Log().size() == 5);  // the first and its bytes, then four that brought no more
  CHECK(bench.store->manager().DiskUsage(CancelToken::Never(), {})->empty());
}

TEST_CASE("too large: by what the server says, by what it sends, by what unpacks") {  // hostile 41
  Bench bench(
      [](const TestRequest& request) -> TestResponse {
        if (request.path == "/bomb") return {200, {{"Content-Encoding", "gzip"}}, Gzip(std::string(1 << 20, '\0'))};
        return {200, {}, std::string(200000, 'x')};
      },
      {.limit_bytes = 100000});
  CHECK(bench.BuildError("/f") == "a download of 200000 bytes is too large: the limit is 100000");
  CHECK(bench.BuildError("/bomb").find("a download does not end: stopped after") != std::string::npos);
  CHECK(bench.store->manager().DiskUsage(CancelToken::Never(), {})->empty());
}

TEST_CASE("what a client holds ready comes through its session, and nowhere else from") {  // SRC-047
  Bench bench([](const TestRequest&) { return TestResponse{302, {{"Location", "http://buildkit-session/id"}}, ""}; });
  bench.sessions.client->uploads["/id"] = "from stdin";
  auto built = bench.Build("http://buildkit-session/id", {{"http.filename", "context"}});
  REQUIRE_MESSAGE(built.ok(), Message(built.status()));
  CHECK(bench.Read(*built, "context") == "from stdin");
  CHECK(bench.last_key.pin == DigestOf("from stdin").str());
  CHECK(bench.BuildError("http://buildkit-session/other") == "this client uploads nothing");
  CHECK(bench.BuildError("/f") != "(built)");  // a server cannot read a client's stdin
}

TEST_CASE("two builds at once download a file once") {
  Guarded<int> arrived;
  Bench bench([&](const TestRequest& request) -> TestResponse {
    if (request.headers.contains("if-none-match")) return {304, {{"ETag", "\"t\""}}, ""};
    arrived.Change([](int& n) { n++; });
    return {200, {{"ETag", "\"t\""}}, "x"};
  });
  std::vector<std::thread> builds;
  std::atomic<int> built = 0;
  for (int i = 0; i < 4; i++) {
    builds.emplace_back([&] {
      auto instance = bench.source->Resolve({bench.Url("/f"), {}, {}});
      if (instance.ok() && (*instance)->CacheKey(CancelToken::Never(), bench.context, 0).ok()) built++;
    });
  }
  for (auto& build : builds) build.join();
  CHECK(built == 4);
  CHECK(arrived.With([](int& n) { return n; }) == 1);
}

TEST_CASE("what a URL resolves to, with a checksum over the content and a suffix") {  // SRC-048
  Bench bench([](const TestRequest&) { return TestResponse{200, {{"Last-Modified", "Tue, 15 Nov 1994 12:45:26 GMT"}}, "payload"}; });
  SourceRequest request{bench.Url("/f.txt"), {}, {}};
  auto plain = bench.source->ResolveHttp(CancelToken::Never(), bench.context, request, std::nullopt);
  REQUIRE_MESSAGE(plain.ok(), Message(plain.status()));
  CHECK(plain->digest == DigestOf("payload"));
  CHECK(plain->filename == "f.txt");
  CHECK(plain->last_modified == 784903526);
  CHECK(plain->checksum.empty());
  auto asked = bench.source->ResolveHttp(CancelToken::Never(), bench.context, request, HttpChecksumRequest{"sha256", "tail"});
  REQUIRE_MESSAGE(asked.ok(), Message(asked.status()));
  CHECK(asked->checksum == DigestOf("payloadtail"));
  asked = bench.source->ResolveHttp(CancelToken::Never(), bench.context, request, HttpChecksumRequest{"sha512", ""});
  REQUIRE(asked.ok());
  CHECK(asked->checksum.algorithm() == "sha512");
  CHECK(Message(bench.source->ResolveHttp(CancelToken::Never(), bench.context, request, HttpChecksumRequest{"sha256", std::string(5000, 'x')}).status()) ==
        "http checksum request suffix exceeds max size 4096");
  size_t before = bench.Log().size();
  request.attrs["http.checksum"] = DigestOf("payload").str();
  REQUIRE(bench.source->ResolveHttp(CancelToken::Never(), bench.context, request, std::nullopt).ok());
  CHECK(bench.Log().size() == before);
}

TEST_CASE("a build gets what its frontend was told, the next one what the server has then") {  // SRC-048
  std::string body = "first";
  Bench bench([&](const TestRequest&) { return TestResponse{200, {}, body}; });
  SourceRequest request{bench.Url("/f"), {}, {}};
  REQUIRE(bench.source->ResolveHttp(CancelToken::Never(), bench.context, request, std::nullopt).ok());
  REQUIRE(bench.store->manager().Prune(CancelToken::Never(), {{.all = true}}, [](const cache::UsageRecord&) {}).ok());
  body = "second";
  auto built = bench.Build("/f");
  REQUIRE(built.ok());
  CHECK(bench.Read(*built, "f") == "first");
  CHECK(bench.Log().size() == 1);
  bench.sessions.client->ended.Cancel();
  auto next = bench.Build("/f");
  REQUIRE(next.ok());
  CHECK(bench.Read(*next, "f") == "second");
  built->reset();
  next->reset();
  REQUIRE(bench.store->manager().Prune(CancelToken::Never(), {{.all = true}}, [](const cache::UsageRecord&) {}).ok());
  CHECK(bench.store->manager().DiskUsage(CancelToken::Never(), {})->empty());
}

TEST_CASE("signatures are refused, not passed over") {
  Bench bench([](const TestRequest&) { return TestResponse{}; });
  auto status = bench.source->Resolve({bench.Url("/f"), {{"http.sig.pubkey", "K"}, {"http.sig.signature", "S"}}, {}}).status();
  CHECK(Message(status).find("not built yet") != std::string::npos);
}

TEST_CASE("passwords and queries of URLs show nowhere") {  // hostile 34
  Bench bench([](const TestRequest& request) -> TestResponse {
    if (request.path == "/cut") return {200, {{"Content-Length", "100"}}, "only this", 8};
    return {200, {{"ETag", "\"t\""}}, "x"};
  });
  std::string base = "http://user:hunter2@" + bench.server.host();
  REQUIRE(bench.Build(base + "/f?sig=hunter3").ok());
  CHECK(bench.Asked(0).headers["authorization"].starts_with("Basic "));
  std::string all = bench.BuildError(base + "/cut?sig=hunter3") + bench.sink->logged.With([](auto& text) { return text; });
  auto usage = bench.store->manager().DiskUsage(CancelToken::Never(), {});
  REQUIRE(usage.ok());
  for (const auto& record : *usage) all += record.description;
  CHECK(all.find("hunter2") == std::string::npos);
  CHECK(all.find("unexpected EOF") != std::string::npos);
}

}  // namespace
}  // namespace bk::source
