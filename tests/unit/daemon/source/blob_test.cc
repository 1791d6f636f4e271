// docker-image+blob:// and oci-layout+blob:// over a real store. [SRC-018]
#include "daemon/source/blob.h"

#include <sys/stat.h>
#include <unistd.h>

#include <doctest/doctest.h>

#include "base/os/file.h"
#include "base/unicode.h"
#include "daemon/cache/store.h"
#include "daemon/registry/registry.h"
#include "tests/unit/support/fake_session.h"
#include "tests/unit/support/http_server.h"

namespace bk::source {
namespace {

// A registry that has some blobs, and one that lies about one of them.
struct Bench {
  Bench() : server([this](const testing::TestRequest& request) { return Answer(request); }), temp(*os::TempDir::Make("blob-source-")) {
    auto opened = cache::Store::Open({temp.path() + "/root", "native"});
    REQUIRE_MESSAGE(opened.ok(), Message(opened.status()));
    store = std::move(*opened);
    registry.emplace(registry::Registry::Options{.hosts = {}, .sessions = &sessions, .content = &store->content(), .backoff_ms = 1});
    source = MakeBlobSource({&*registry, &sessions, &store->manager(), &store->content()});
  }
  testing::TestResponse Answer(const testing::TestRequest& request) {
    std::string digest = request.path.substr(request.path.rfind('/') + 1);
    const auto& objects = request.path.find("/manifests/") == std::string::npos ? blobs : manifests;
    auto found = objects.find(digest);
    if (found == objects.end()) return {404, {}, ""};
    return {200, {{"Content-Type", &objects == &manifests ? media_type::kOciManifest : "application/octet-stream"}}, found->second};
  }
  std::string Put(const std::string& bytes) {
    std::string digest = DigestOf(bytes).str();
    blobs[digest] = bytes;
    return digest;
  }
  std::string Identifier(const std::string& digest) { return StrCat("docker-image+blob://", server.host(), "/things@", digest); }
  absl::StatusOr<cache::ImmutablePtr> Snapshot(const std::string& identifier, const Attributes& attrs = {}) {
    BK_TRY(auto instance, source->Resolve({identifier, attrs, {}}));
    return instance->Snapshot(CancelToken::Never(), context);
  }
  // "NAME MODE UID:GID MTIME CONTENT" of the tree's one file, or the error.
  std::string Look(const absl::StatusOr<cache::ImmutablePtr>& ref) {
    if (!ref.ok()) return Message(ref.status());
    auto mount = (*ref)->Mount(CancelToken::Never(), context, true);
    REQUIRE(mount.ok());
    auto mounted = os::TempMount::Make((*mount)->mounts());
    REQUIRE(mounted.ok());
    std::vector<std::string> names = os::ListDir(mounted->path()).value_or(std::vector<std::string>());
    REQUIRE(names.size() == 1);
    struct stat st;
    REQUIRE(lstat((mounted->path() + "/" + names[0]).c_str(), &st) == 0);
    char mode[8];
    snprintf(mode, sizeof mode, "%o", st.st_mode & 07777);
    return StrCat(names[0], " ", mode, " ", st.st_uid, ":", st.st_gid, " ", st.st_mtime, " ", os::ReadFile(mounted->path() + "/" + names[0]).value_or("?"));
  }
  std::string Look(const std::string& identifier, const Attributes& attrs = {}) { return Look(Snapshot(identifier, attrs)); }

  std::map<std::string, std::string> blobs, manifests;
  testing::HttpServer server;
  os::TempDir temp;
  testing::FakeSessions sessions;
  std::unique_ptr<cache::Store> store;
  std::optional<registry::Registry> registry;
  std::unique_ptr<Source> source;
  cache::FetchContext context{{"session"}, {}};
};

const std::string kOwner = StrCat(geteuid(), ":", getegid());

TEST_CASE("a registry's blob is a file named by its digest, or as asked") {
  Bench bench;
  std::string digest = bench.Put("payload");
  CHECK(bench.Look(bench.Identifier(digest)) == StrCat(digest.substr(7), " 600 ", kOwner, " 0 payload"));
  CHECK(bench.Look(bench.Identifier(digest), {{"http.filename", "../x/f.bin"}, {"http.perm", "0751"}}) == StrCat("f.bin 751 ", kOwner, " 0 payload"));
  if (geteuid() == 0) CHECK(bench.Look(bench.Identifier(digest), {{"http.filename", "f"}, {"http.uid", "7"}, {"http.gid", "0x10"}}) == "f 600 7:16 0 payload");
}

TEST_CASE("large, empty, and manifests as blobs") {
  Bench bench;
  std::string large(5 << 20, 'x'), digest = bench.Put(large);
  CHECK(bench.Look(bench.Identifier(digest), {{"http.filename", "f"}}) == StrCat("f 600 ", kOwner, " 0 ", large));  // more than a document may have
  CHECK(bench.Look(bench.Identifier(bench.Put("")), {{"http.filename", "f"}}) == StrCat("f 600 ", kOwner, " 0 "));
  bench.manifests[DigestOf("{}").str()] = "{}";
  CHECK(bench.Look(bench.Identifier(DigestOf("{}").str()), {{"http.filename", "f"}}) == StrCat("f 600 ", kOwner, " 0 {}"));
}

TEST_CASE("bytes that are not those of the digest never become a tree") {
  Bench bench;
  std::string digest = DigestOf("payload").str();
  bench.blobs[digest] = "paylord";
  std::string error = bench.Look(bench.Identifier(digest));
  CHECK_MESSAGE(error.find("failed to fetch " + digest) != std::string::npos, error);
  auto usage = bench.store->manager().DiskUsage(CancelToken::Never(), {});
  REQUIRE(usage.ok());
  CHECK(usage->empty());
  CHECK_FALSE(bench.store->content().Has(DigestOf("payload")));
}

TEST_CASE("what is missing, odd or not the asker's is refused by name") {
  Bench bench;
  std::string missing = DigestOf("missing").str(), digest = bench.Put("payload");
  CHECK(bench.Look(bench.Identifier(missing)) == StrCat(bench.server.host(), "/things@", missing, ": not found"));
  CHECK(bench.Look(StrCat("docker-image+blob://", bench.server.host(), "/things:tag")) == "invalid reference digest: invalid checksum digest format");
  CHECK(bench.Look(bench.Identifier("sha512:" + std::string(128, 'a'))).find("digest algorithm \"sha512\" not supported, expected \"sha256\"") != std::string::npos);
  CHECK(bench.Look(bench.Identifier(digest), {{"http.uid", "-1"}}) == "invalid owner -1:0 of a file");
  // That the daemon has it already is no reason to hand it out: the registry is asked.
  REQUIRE(bench.Snapshot(bench.Identifier(digest)).ok());
  bench.blobs.clear();
  CHECK(bench.Look(bench.Identifier(digest)) == StrCat(bench.server.host(), "/things@", digest, ": not found"));
}

TEST_CASE("a blob of a client's store") {
  Bench bench;
  std::string digest = DigestOf("payload").str();
  bench.sessions.client->blobs.With([&](auto& blobs) { blobs[digest] = "payload"; });
  CHECK(bench.Look("oci-layout+blob://not/real@" + digest, {{"oci.store", "st"}, {"http.filename", "f"}}) == StrCat("f 600 ", kOwner, " 0 payload"));
  std::string missing = DigestOf("missing").str();
  CHECK(bench.Look("oci-layout+blob://not/real@" + missing, {{"oci.store", "st"}}).find("not found") != std::string::npos);
  std::string lie = DigestOf("lie").str();
  bench.sessions.client->blobs.With([&](auto& blobs) { blobs[lie] = "truth"; });
  CHECK(bench.Look("oci-layout+blob://not/real@" + lie, {{"oci.store", "st"}}) != "");
  CHECK_FALSE(bench.store->content().Has(DigestOf("lie")));
}

TEST_CASE("the key needs nobody") {
  Bench bench;
  auto instance = bench.source->Resolve({bench.Identifier(DigestOf("x").str()), {}, {}});
  REQUIRE(instance.ok());
  auto key = (*instance)->CacheKey(CancelToken::Never(), bench.context, 0);
  REQUIRE(key.ok());
  CHECK(key->done);
  CHECK(key->pin == DigestOf("x").str());
  CHECK(bench.server.log().empty());
}

}  // namespace
}  // namespace bk::source
