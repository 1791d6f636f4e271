// git.bundle: objects from a blob, everything else as from the remote. [SRC-060, SRC-061]
#include "tests/unit/daemon/source/git/bench.h"

namespace bk::source {
namespace {

// A repository with two commits, a tag and its bundle in the client's store.
struct BundleBench : GitBench {
  explicit BundleBench(const std::string& options = "") {
    Repo("r", "git tag -am t v1\necho two >a\ngit commit -qam two", options);
    head = In("r", "git rev-parse main");
    Bundle("main v1");
  }
  void Bundle(const std::string& refs) { Store(In("r", "git bundle create -q ../bundle " + refs + "\ncat ../bundle | base64 -w0")); }
  void Store(const std::string& base64) {
    std::string bytes = *Base64Decode(base64);
    digest = DigestOf(bytes).str();
    sessions.client->blobs.With([&](auto& blobs) { blobs[digest] = bytes; });
  }
  Attrs With(const Attrs& more = {}) {
    Attrs out = {{"git.bundle", "oci-layout+blob://not/real@" + digest}, {"oci.store", "st"}, {"git.checksum", head}};
    for (const auto& [key, value] : more) out[key] = value;
    return out;
  }
  std::string head, digest;
};

TEST_CASE("a tree of a bundle: by ref, by commit, with .git; the remote is not asked") {
  BundleBench bench;
  CHECK(bench.Look("r", "main", "cat a; ls -A", bench.With()) == "two\na");
  CHECK(bench.Look("r", bench.head, "cat a", bench.With()) == "two");
  CHECK(bench.Look("r", "", "cat a", bench.With()) == "two");
  CHECK(bench.Look("r", "v1", "cat a", bench.With({{"git.checksum", bench.In("r", "git rev-parse v1^{}")}})) == "one");
  std::string seen = bench.Look("r", "main", "git rev-parse HEAD main; git remote get-url origin; git for-each-ref | wc -l", bench.With({{"git.keepgitdir", "true"}}));
  CHECK(seen == bench.head + "\n" + bench.head + "\n" + bench.Url("r") + "\n1");
  CHECK(bench.http.log().empty());
}

TEST_CASE("keys are those of the remote, and a pinned commit needs no bundle for them") {
  BundleBench bench;
  auto key = bench.Key("r", bench.head, bench.With({{"git.bundle", "oci-layout+blob://x/y@" + DigestOf("gone").str()}}));
  REQUIRE_MESSAGE(key.ok(), Message(key.status()));
  CHECK(key->key == bench.head);
  key = bench.Key("r", "v1", bench.With({{"git.checksum", bench.In("r", "git rev-parse v1^{}")}}));
  REQUIRE(key.ok());
  CHECK(key->key == bench.In("r", "git rev-parse v1^{}"));
  CHECK(key->pin == bench.In("r", "git rev-parse v1"));
  // What the remote's repository has already is not fetched as a bundle.
  REQUIRE(bench.Snapshot("r", "main").ok());
  CHECK(bench.Look("r", bench.head, "cat a", bench.With({{"git.bundle", "oci-layout+blob://x/y@" + DigestOf("gone").str()}, {"git.mtime", "commit"}})) == "two");
}

TEST_CASE("a bundle of a bundle, of SHA-256, and what is known of a ref in it") {
  BundleBench bench("--object-format=sha256");
  CHECK(bench.Look("r", "main", "d=$(mktemp -d); git clone -q bundle $d -b main; git -C $d log --format=%s; rm -rf $d", bench.With({{"git.checkoutbundle", "true"}})) == "two\none");
  GitBench::Attrs attrs = bench.With({{"git.checksum", bench.In("r", "git rev-parse v1^{}")}, {"git.fullurl", bench.Url("r")}});
  auto answer = bench.source->ResolveGit(CancelToken::Never(), bench.context, {"git://host/r#v1", attrs, {}}, true);
  REQUIRE_MESSAGE(answer.ok(), Message(answer.status()));
  CHECK(answer->ref == "refs/tags/v1");
  CHECK(answer->commit_checksum == bench.In("r", "git rev-parse v1^{}"));
  CHECK(answer->tag_object == bench.In("r", "git cat-file tag v1") + "\n");
}

TEST_CASE("from a registry; a store that is not named is the one of the locator") {
  BundleBench bench;
  std::string bytes = bench.sessions.client->blobs.With([&](auto& blobs) { return blobs[bench.digest]; });
  testing::HttpServer registry([&](const testing::TestRequest& request) {
    return request.path.ends_with("/blobs/" + bench.digest) ? testing::TestResponse{200, {}, bytes} : testing::TestResponse{404, {}, ""};
  });
  CHECK(bench.Look("r", "main", "cat a", bench.With({{"git.bundle", StrCat("docker-image+blob://", registry.host(), "/bundles@", bench.digest)}})) == "two");
  GitBench::Attrs unnamed = bench.With();
  unnamed.erase("oci.store");
  CHECK(bench.Look("r", "main", "cat a", unnamed) == "two");
}

TEST_CASE("what is no bundle, is not whole or lacks the commit is refused") {  // hostile 36, 48
  BundleBench bench;
  const std::string other(40, 'a'), name = "not/real@";
  CHECK(bench.Look("r", "", "ls", bench.With({{"git.checksum", other}})) == StrCat("commit ", other, " not found in bundle ", name, bench.digest));
  CHECK(bench.Look("r", "gone", "ls", bench.With()).find("repository does not contain ref gone") == 0);
  CHECK(bench.Look("r", "", "ls", bench.With({{"git.checksum", bench.head.substr(0, 7)}})) == StrCat("git.bundle without a ref requires a full commit SHA as git.checksum, got ", Quote(bench.head.substr(0, 7))));
  bench.Bundle("main ^main~1");  // needs what it does not have
  CHECK(bench.Look("r", "main", "ls", bench.With()).find("failed to import git bundle " + name) == 0);
  bench.Store(Base64Encode("no bundle at all"));
  CHECK(bench.Look("r", "main", "ls", bench.With()).find("failed to inspect git bundle " + name) == 0);
  bench.Store(Base64Encode("# v2 git bundle\n-1234 x\n--upload-pack=touch refs/heads/main\n\n"));
  CHECK(bench.Look("r", "main", "ls", bench.With()).find("failed to inspect git bundle " + name) == 0);
  CHECK(bench.http.log().empty());
}

}  // namespace
}  // namespace bk::source
