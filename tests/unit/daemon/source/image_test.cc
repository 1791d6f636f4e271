// docker-image:// and oci-layout:// over a real store: lazy layers, gzip and zstd, what comes when.
#include "daemon/source/image.h"

#include <doctest/doctest.h>

#include "base/os/file.h"
#include "daemon/cache/store.h"
#include "daemon/registry/registry.h"
#include "snapshotter/diff/compress.h"
#include "snapshotter/diff/tar.h"
#include "tests/unit/support/fake_session.h"
#include "tests/unit/support/http_server.h"

namespace bk::source {
namespace {

std::string Tar(const std::string& name, const std::string& text) {
  std::string out;
  diff::TarWriter writer([&](std::string_view bytes) {
    out += bytes;
    return absl::OkStatus();
  });
  diff::TarHeader header;
  header.name = name;
  header.mode = 0644;
  header.size_bytes = static_cast<int64_t>(text.size());
  REQUIRE(writer.Header(header).ok());
  REQUIRE(writer.Data(text).ok());
  REQUIRE(writer.Close().ok());
  return out;
}

std::string Packed(const std::string& tar, Compression type) {
  std::string out;
  auto encoder = diff::MakeEncoder({type, -1, false}, [&](std::string_view bytes) {
    out += bytes;
    return absl::OkStatus();
  });
  REQUIRE(encoder.ok());
  REQUIRE((*encoder)->Write(tar).ok());
  REQUIRE((*encoder)->Finish().ok());
  return out;
}

// An image of two layers, gzip and zstd, as blobs by digest.
struct Image {
  Image() {
    std::string first = Tar("first", "one"), second = Tar("second", "two");
    layers = {Packed(first, Compression::kGzip), Packed(second, Compression::kZstd)};
    config = StrCat(R"({"architecture":"amd64","os":"linux","rootfs":{"type":"layers","diff_ids":[")", DigestOf(first).str(), R"(",")", DigestOf(second).str(), R"("]}})");
    manifest = StrCat(R"({"schemaVersion":2,"mediaType":")", media_type::kOciManifest, R"(","config":)", Entry(config, media_type::kOciConfig), R"(,"layers":[)",
                      Entry(layers[0], media_type::kOciLayerGzip), ",", Entry(layers[1], media_type::kOciLayerZstd), "]}");
    for (const std::string& blob : {layers[0], layers[1], config, manifest}) blobs[DigestOf(blob).str()] = blob;
  }
  static std::string Entry(const std::string& bytes, const char* type) {
    return StrCat(R"({"mediaType":")", type, R"(","digest":")", DigestOf(bytes).str(), R"(","size":)", bytes.size(), "}");
  }
  std::vector<std::string> layers;
  std::string config, manifest;
  std::map<std::string, std::string> blobs;
};

struct Bench {
  Bench() : server([this](const testing::TestRequest& request) { return Answer(request); }), temp(*os::TempDir::Make("image-source-")) {
    auto opened = cache::Store::Open({temp.path() + "/root", "native"});
    REQUIRE_MESSAGE(opened.ok(), Message(opened.status()));
    store = std::move(*opened);
    registry.emplace(registry::Registry::Options{.hosts = {}, .sessions = &sessions, .content = &store->content(), .backoff_ms = 1});
    options = {&*registry, &sessions, &store->manager(), &store->content()};
  }
  testing::TestResponse Answer(const testing::TestRequest& request) {
    std::string object = request.path.substr(request.path.rfind('/') + 1);
    if (object == "v1") object = DigestOf(image.manifest).str();
    auto blob = image.blobs.find(object);
    if (blob == image.blobs.end()) return {404, {}, ""};
    std::string type = blob->second == image.manifest ? media_type::kOciManifest : "application/octet-stream";
    return {200, {{"Content-Type", type}, {"Docker-Content-Digest", object}}, blob->second};
  }
  std::string Read(const cache::ImmutablePtr& ref, const std::string& name) {
    auto mount = ref->Mount(CancelToken::Never(), context, true);
    if (!mount.ok()) return Message(mount.status());
    auto mounted = os::TempMount::Make((*mount)->mounts());
    REQUIRE(mounted.ok());
    return os::ReadFile(mounted->path() + "/" + name).value_or("(missing)");
  }
  absl::StatusOr<cache::ImmutablePtr> Pull(Source& source, const std::string& identifier, const std::map<std::string, std::string>& attrs = {}) {
    Platform platform;
    platform.os = "linux";
    platform.architecture = "amd64";
    auto instance = source.Resolve({identifier, attrs, platform});
    if (!instance.ok()) return instance.status();
    BK_RETURN_IF_ERROR((*instance)->CacheKey(CancelToken::Never(), context, 0));
    return (*instance)->Snapshot(CancelToken::Never(), context);
  }
  bool Has(const std::string& bytes) { return store->content().Has(DigestOf(bytes)); }

  Image image;
  testing::HttpServer server;
  os::TempDir temp;
  testing::FakeSessions sessions;
  std::unique_ptr<cache::Store> store;
  std::optional<registry::Registry> registry;
  ImageSourceOptions options;
  cache::FetchContext context{{"session"}, {}};
};

TEST_CASE("an image's layers come when something is mounted, not before") {
  Bench bench;
  auto source = MakeImageSource(bench.options);
  auto ref = bench.Pull(*source, "docker-image://" + bench.server.host() + "/app:v1");
  REQUIRE_MESSAGE(ref.ok(), Message(ref.status()));
  CHECK_FALSE(bench.Has(bench.image.layers[0]));
  CHECK((*ref)->IsLazy());
  CHECK(bench.Read(*ref, "first") == "one");
  CHECK(bench.Read(*ref, "second") == "two");
  CHECK(bench.Has(bench.image.layers[0]));
  CHECK(bench.Has(bench.image.layers[1]));
}

TEST_CASE("a layer that unpacks to another diff id is refused") {
  Bench bench;
  std::string lie = Packed(Tar("first", "not one"), Compression::kGzip);
  // Served under its own digest, but the configuration names another content.
  std::string manifest = bench.image.manifest, old = Image::Entry(bench.image.layers[0], media_type::kOciLayerGzip);
  manifest.replace(manifest.find(old), old.size(), Image::Entry(lie, media_type::kOciLayerGzip));
  bench.image.blobs[DigestOf(lie).str()] = lie;
  bench.image.blobs[DigestOf(manifest).str()] = manifest;
  bench.image.manifest = manifest;
  auto source = MakeImageSource(bench.options);
  auto ref = bench.Pull(*source, "docker-image://" + bench.server.host() + "/app:v1");
  REQUIRE_MESSAGE(ref.ok(), Message(ref.status()));
  CHECK(bench.Read(*ref, "first").find("unpacks to") != std::string::npos);
}

TEST_CASE("a missing image is reported by its name") {
  Bench bench;
  auto source = MakeImageSource(bench.options);
  auto ref = bench.Pull(*source, "docker-image://" + bench.server.host() + "/app:v2");
  CHECK(absl::IsNotFound(ref.status()));
  CHECK(Message(ref.status()).find(bench.server.host() + "/app:v2: not found") != std::string::npos);
}

TEST_CASE("an image is pulled from a store that the client serves") {
  Bench bench;
  bench.sessions.client->blobs.With([&](auto& blobs) { blobs = bench.image.blobs; });
  auto source = MakeOciLayoutSource(bench.options);
  auto ref = bench.Pull(*source, "oci-layout://store/app@" + DigestOf(bench.image.manifest).str(), {{"oci.session", "session"}, {"oci.store", "st"}});
  REQUIRE_MESSAGE(ref.ok(), Message(ref.status()));
  CHECK(bench.Read(*ref, "second") == "two");
  CHECK(bench.server.log().empty());
}

TEST_CASE("metadata of an image is its digest and configuration, without layers") {
  Bench bench;
  auto source = MakeImageSource(bench.options);
  ImageResolveOptions options;
  options.platform.os = "linux";
  options.platform.architecture = "amd64";
  auto resolved = source->ResolveImage(CancelToken::Never(), bench.context, "docker-image://" + bench.server.host() + "/app:v1", options);
  REQUIRE_MESSAGE(resolved.ok(), Message(resolved.status()));
  CHECK(resolved->config == bench.image.config);
  CHECK(resolved->digest == DigestOf(bench.image.manifest));
  CHECK_FALSE(bench.Has(bench.image.layers[0]));
}

}  // namespace
}  // namespace bk::source
