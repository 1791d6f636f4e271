// The distribution client against Debian's docker-registry: pushes and pulls, anonymous and with basic credentials.
#include <doctest/doctest.h>
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <set>

#include "base/os/file.h"
#include "base/os/process.h"
#include "daemon/registry/registry.h"
#include "tests/unit/support/fake_session.h"

namespace bk::registry {
namespace {

// user:secret, bcrypt.
constexpr char kPasswords[] = "user:$2y$05$abcdefghijklmnopqrstuuOQiyCxlgf/oeuTqixKmWdcYUh4Hjl0a\n";

int FreePort() {
  os::UniqueFd fd(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  REQUIRE(bind(fd.get(), reinterpret_cast<sockaddr*>(&address), size) == 0);
  getsockname(fd.get(), reinterpret_cast<sockaddr*>(&address), &size);
  return ntohs(address.sin_port);
}

class DockerRegistry {
 public:
  explicit DockerRegistry(bool passwords) : temp_(*os::TempDir::Make("docker-registry-")) {
    int port = FreePort();
    host = "127.0.0.1:" + std::to_string(port);
    std::string config = StrCat("version: 0.1\nlog:\n  level: error\nstorage:\n  filesystem:\n    rootdirectory: ", temp_.path(), "/data\nhttp:\n  addr: ", host, "\n");
    if (passwords) {
      REQUIRE(os::WriteFile(temp_.path() + "/passwords", kPasswords, 0600).ok());
      config += StrCat("auth:\n  htpasswd:\n    realm: test\n    path: ", temp_.path(), "/passwords\n");
    }
    REQUIRE(os::WriteFile(temp_.path() + "/config.yml", config, 0600).ok());
    os::ProcessOptions options;
    options.argv = {"docker-registry", "serve", temp_.path() + "/config.yml"};
    auto started = os::Process::Start(options);
    REQUIRE(started.ok());
    process_ = std::move(*started);
    REQUIRE(Listens(port));
  }
  std::string host;

 private:
  // Until it accepts connections: 10 s at most.
  static bool Listens(int port) {
    for (int i = 0; i < 1000; i++) {
      os::UniqueFd fd(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
      sockaddr_in address{};
      address.sin_family = AF_INET;
      address.sin_port = htons(static_cast<uint16_t>(port));
      address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
      if (connect(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) == 0) return true;
      CancelToken::Never().SleepFor(std::chrono::milliseconds(10)).IgnoreError();
    }
    return false;
  }
  os::TempDir temp_;
  os::Process process_;
};

// A store with an image of two layers.
struct Image {
  explicit Image(content::ContentStore& store) {
    for (const char* text : {"first layer", "second layer"}) blobs.push_back(Put(store, text, media_type::kOciLayerGzip));
    blobs.push_back(Put(store, R"({"architecture":"amd64","os":"linux"})", media_type::kOciConfig));
    std::string manifest = StrCat(R"({"schemaVersion":2,"mediaType":")", media_type::kOciManifest, R"(","config":)", Json(blobs[2]), R"(,"layers":[)", Json(blobs[0]), ",", Json(blobs[1]), "]}");
    root = Put(store, manifest, media_type::kOciManifest);
  }
  static Descriptor Put(content::ContentStore& store, const std::string& text, const char* type) {
    Descriptor out;
    out.media_type = type;
    out.digest = DigestOf(text);
    out.size = static_cast<int64_t>(text.size());
    REQUIRE(store.Put(text, out.digest).ok());
    return out;
  }
  static std::string Json(const Descriptor& d) { return StrCat(R"({"mediaType":")", d.media_type, R"(","digest":")", d.digest.str(), R"(","size":)", d.size, "}"); }
  std::vector<Descriptor> blobs;
  Descriptor root;
};

struct Client {
  Client() : temp(*os::TempDir::Make("registry-client-")), store(*content::ContentStore::Open(temp.path())), registry({.hosts = {}, .sessions = &sessions, .content = store.get(), .backoff_ms = 1}) {}
  os::TempDir temp;
  std::unique_ptr<content::ContentStore> store;
  testing::FakeSessions sessions;
  Registry registry;
  cache::FetchContext context{{"session"}, {}};
};

void PushAndPull(const DockerRegistry& server, Client& pusher, Client& puller) {
  Image image(*pusher.store);
  PushRequest request;
  request.ref = server.host + "/app/one:v1";
  request.blobs = image.blobs;
  request.manifests = {image.root};
  absl::Status pushed = pusher.registry.Push(CancelToken::Never(), pusher.context, request);
  CHECK_MESSAGE(pushed.ok(), Message(pushed));
  SourceReference ref{server.host + "/app/one", "v1"};
  auto resolved = puller.registry.Resolve(CancelToken::Never(), puller.context, ref);
  REQUIRE_MESSAGE(resolved.ok(), Message(resolved.status()));
  CHECK(resolved->digest == image.root.digest);
  for (const Descriptor& blob : image.blobs) {
    CHECK(puller.registry.Fetch(CancelToken::Never(), puller.context, ref, blob).ok());
    CHECK(puller.store->Has(blob.digest));
  }
  CHECK(puller.registry.Fetch(CancelToken::Never(), puller.context, ref, image.root).ok());
}

TEST_CASE("an image pushed anonymously can be pulled again, and pushing it twice sends nothing new") {
  DockerRegistry server(false);
  Client pusher, puller;
  PushAndPull(server, pusher, puller);
  PushAndPull(server, pusher, puller);
}

TEST_CASE("an image is pushed and pulled with basic credentials of the client, and refused without") {
  DockerRegistry server(true);
  Client pusher, puller, stranger;
  pusher.sessions.client->credentials = puller.sessions.client->credentials = {"user", "secret"};
  PushAndPull(server, pusher, puller);
  CHECK_FALSE(stranger.registry.Resolve(CancelToken::Never(), stranger.context, {server.host + "/app/one", "v1"}).ok());
}

TEST_CASE("a push by digest leaves no tag") {
  DockerRegistry server(false);
  Client client;
  Image image(*client.store);
  PushRequest request;
  request.ref = server.host + "/app/one";
  request.push_by_digest = true;
  request.blobs = image.blobs;
  request.manifests = {image.root};
  REQUIRE(client.registry.Push(CancelToken::Never(), client.context, request).ok());
  CHECK(absl::IsNotFound(client.registry.Resolve(CancelToken::Never(), client.context, {server.host + "/app/one", "latest"}).status()));
  Client other;
  CHECK(other.registry.Resolve(CancelToken::Never(), other.context, {server.host + "/app/one", "@" + image.root.digest.str()}).ok());
}

TEST_CASE("a tagged name cannot be pushed by digest") {
  Client client;
  Image image(*client.store);
  PushRequest request{"127.0.0.1:1/app:tag", false, true, image.blobs, {image.root}};
  absl::Status status = client.registry.Push(CancelToken::Never(), client.context, request);
  CHECK(Message(status).find("can't push tagged ref 127.0.0.1:1/app:tag by digest") != std::string::npos);
}

}  // namespace
}  // namespace bk::registry
