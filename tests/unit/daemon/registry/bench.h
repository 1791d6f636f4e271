// A client of the registry room beside a server whose every answer the test decides.
#pragma once

#include <doctest/doctest.h>

#include <mutex>

#include "base/os/file.h"
#include "daemon/registry/registry.h"
#include "tests/unit/support/fake_session.h"
#include "tests/unit/support/http_server.h"

namespace bk::registry {

using testing::TestRequest;
using testing::TestResponse;

// Keeps what a vertex says.
class Listener : public solver::ProgressSink {
 public:
  void Vertex(const solver::VertexEvent&) override {}
  void Status(const solver::StatusEvent& event) override {
    std::lock_guard lock(mutex_);
    statuses_.push_back(event);
  }
  void Log(const solver::LogEvent& event) override {
    std::lock_guard lock(mutex_);
    log_ += event.data;
  }
  void Warning(const solver::WarningEvent&) override {}
  std::string log() {
    std::lock_guard lock(mutex_);
    return log_;
  }
  std::vector<solver::StatusEvent> statuses() {
    std::lock_guard lock(mutex_);
    return statuses_;
  }

 private:
  std::mutex mutex_;
  std::vector<solver::StatusEvent> statuses_;
  std::string log_;
};

struct Bench {
  explicit Bench(testing::HttpServer::Handler handler) : server(std::move(handler)), temp(*os::TempDir::Make("registry-test-")) {
    store = *content::ContentStore::Open(temp.path());
  }
  Registry& client() {
    if (!registry_) {
      options.hosts = hosts;
      options.sessions = &sessions;
      options.content = store.get();
      registry_.emplace(options);
    }
    return *registry_;
  }
  SourceReference Ref(const std::string& object) const { return {server.host() + "/app/one", object}; }
  absl::StatusOr<Descriptor> Resolve(const std::string& object) { return client().Resolve(CancelToken::Never(), context, Ref(object)); }
  absl::Status Fetch(const Descriptor& descriptor) { return client().Fetch(CancelToken::Never(), context, Ref("v1"), descriptor); }

  std::shared_ptr<Listener> listener = std::make_shared<Listener>();
  testing::HttpServer server;
  os::TempDir temp;
  std::unique_ptr<content::ContentStore> store;
  testing::FakeSessions sessions;
  HostConfigs hosts;
  Registry::Options options{.hosts = {}, .backoff_ms = 1, .places_file = {}};
  cache::FetchContext context{{"session"}, solver::VertexProgress(listener, {})};

 private:
  std::optional<Registry> registry_;
};

inline Descriptor BlobOf(const std::string& bytes) {
  Descriptor out;
  out.media_type = media_type::kOciLayerGzip;
  out.digest = DigestOf(bytes);
  out.size = static_cast<int64_t>(bytes.size());
  return out;
}

inline const std::string kManifest = R"({"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json"})";

inline TestResponse Manifest() {
  return {200, {{"Content-Type", media_type::kOciManifest}, {"Docker-Content-Digest", DigestOf(kManifest).str()}}, kManifest};
}

inline std::string LongText() {
  std::string out;
  for (int i = 0; i < 20000; i++) out += "line " + std::to_string(i) + "\n";
  return out;
}

// What a range request asks for of `whole`.
inline TestResponse Ranged(const TestRequest& request, const std::string& whole) {
  auto range = request.headers.find("range");
  if (range == request.headers.end()) return {200, {}, whole};
  size_t from = std::stoul(range->second.substr(6));
  return {206, {{"Content-Range", StrCat("bytes ", from, "-", whole.size() - 1, "/", whole.size())}}, whole.substr(from)};
}

}  // namespace bk::registry
