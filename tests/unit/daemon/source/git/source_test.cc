// git:// over real repositories: refs, trees, what is asked of the server.
#include <sys/stat.h>

#include <atomic>

#include "tests/unit/daemon/source/git/bench.h"

namespace bk::source {
namespace {

constexpr char kFiles[] = "find . -mindepth 1 -not -path './.git/*' | sort | tr '\\n' ' '";

TEST_CASE("a branch becomes a tree without .git, files 0644 and 0755 whatever the daemon's umask") {  // SRC-067, SRC-070
  GitBench bench;
  bench.Repo("r", "mkdir d\necho x >d/x\nchmod 755 d/x\nln -s a link\ngit add .\ngit commit -qm two");
  mode_t old = umask(077);
  std::string seen = bench.Look("r", "main", "stat -c '%A %n' a d d/x link; cat a");
  umask(old);
  CHECK(seen == "-rw-r--r-- a\ndrwxr-xr-x d\n-rwxr-xr-x d/x\nlrwxrwxrwx link\none");
  CHECK(bench.Look("r", "", kFiles) == "./a ./d ./d/x ./link");
}

TEST_CASE("an unchanged ref costs one question to the server, a pinned commit none") {  // SRC-067, SRC-068
  GitBench bench;
  bench.Repo("r");
  std::string commit = bench.In("r", "git rev-parse HEAD");
  for (const char* ref : {"main", ""}) {
    REQUIRE(bench.Snapshot("r", ref).ok());
    size_t before = bench.http.log().size();
    auto again = bench.Instance("r", ref);
    REQUIRE(again->CacheKey(CancelToken::Never(), bench.context, 0).ok());
    REQUIRE(again->Snapshot(CancelToken::Never(), bench.context).ok());
    CHECK(bench.http.log().size() - before == 2);  // info/refs and its ls-refs
  }
  size_t before = bench.http.log().size();
  CHECK(bench.Look("r", commit, "cat a") == "one");
  CHECK(bench.http.log().size() == before);
}

TEST_CASE("one tree is made for several who want it") {  // SRC-068
  GitBench bench;
  bench.Repo("r");
  auto first = bench.Snapshot("r", "main"), second = bench.Snapshot("r", bench.In("r", "git rev-parse main"));
  REQUIRE(first.ok());
  REQUIRE(second.ok());
  CHECK((*first)->Id() == (*second)->Id());
}

TEST_CASE("repositories are kept one a remote, and known to the disk usage as such") {  // SRC-068
  GitBench bench;
  bench.Repo("r", "echo two >a\ngit commit -qam two");
  bench.Repo("s");
  REQUIRE(bench.Snapshot("r", "main").ok());
  bench.In("r", "echo three >a\ngit commit -qam three");
  CHECK(bench.Look("r", "main", "cat a") == "three");
  REQUIRE(bench.Snapshot("s", "main").ok());
  auto usage = bench.store->manager().DiskUsage(CancelToken::Never(), {});
  REQUIRE(usage.ok());
  int shared = 0, trees = 0;
  for (const auto& record : *usage) {
    shared += record.description.starts_with("shared git repo for http://") && record.is_mutable;
    trees += record.description.starts_with("git snapshot for http://") && record.record_type == "source.git.checkout";
  }
  CHECK(shared == 2);
  CHECK(trees == 3);
}

TEST_CASE("the tree is shallow: history does not cross the network") {  // SRC-068
  GitBench bench;
  bench.Repo("r", "for i in 1 2 3; do head -c 200000 /dev/urandom >big; git add big; git commit -qm big$i; done\ngit rm -q big\ngit commit -qm small");
  std::atomic<size_t> bytes = 0;
  bench.http.after = [&](const testing::TestRequest&, testing::TestResponse& response) { bytes += response.body.size(); };
  CHECK(bench.Look("r", "main", "ls") == "a");
  CHECK(bench.Look("r", bench.In("r", "git rev-parse main~4"), "ls") == "a");
  CHECK(bytes < 20000);
}

TEST_CASE("a plain file server has no shallow fetches: all is fetched, by ref and by commit") {  // SRC-068
  GitBench bench;
  bench.Repo("r", "git tag -am t v1\necho two >a\ngit commit -qam two\ngit update-server-info");
  bench.http.plain_files = true;
  CHECK(bench.Look("r", "v1", "cat a") == "one");
  CHECK(bench.Look("r", "main", "cat a") == "two");
  GitBench other;
  other.Repo("r", "echo two >a\ngit commit -qam two\ngit update-server-info");
  other.http.plain_files = true;
  CHECK(other.Look("r", other.In("r", "git rev-parse main~1"), "cat a") == "one");
}

TEST_CASE("a server that hands out only what a ref names: all branches and tags are fetched for a commit") {  // SRC-059
  GitBench bench;
  bench.Repo("r", "echo two >a\ngit commit -qam two\ngit config uploadpack.allowAnySHA1InWant false");
  // The old protocol checks wants.
  bench.http.before = [](const testing::TestRequest& request) {
    const_cast<testing::TestRequest&>(request).headers.erase("git-protocol");
    return testing::TestResponse{0, {}, ""};
  };
  CHECK(bench.Look("r", bench.In("r", "git rev-parse main~1"), "cat a") == "one");
}

TEST_CASE("annotated tags are peeled: their commit is the key, they are the pin") {  // SRC-067, SRC-071
  GitBench bench;
  bench.Repo("r", "git tag -am t v1\necho two >a\ngit commit -qam two");
  auto key = bench.Key("r", "v1");
  REQUIRE(key.ok());
  CHECK(key->key == bench.In("r", "git rev-parse v1^{}"));
  CHECK(key->pin == bench.In("r", "git rev-parse v1"));
  CHECK(bench.Look("r", "v1", "cat a") == "one");
}

TEST_CASE("what a ref is can be asked without its tree: names alone cost one question, objects a fetch") {  // SRC-067, DFE-064
  GitBench bench;
  bench.Repo("r", "git tag -am t v1\necho two >a\ngit commit -qam two");
  auto ask = [&](const std::string& ref, bool objects) {
    auto answer = bench.source->ResolveGit(CancelToken::Never(), bench.context, {"git://host/r#" + ref, {{"git.fullurl", bench.Url("r")}}, {}}, objects);
    REQUIRE_MESSAGE(answer.ok(), Message(answer.status()));
    return *std::move(answer);
  };
  ResolvedGit plain = ask("v1", false);
  CHECK(bench.http.log().size() == 2);
  CHECK(plain.checksum == bench.In("r", "git rev-parse v1"));
  CHECK(plain.commit_checksum == bench.In("r", "git rev-parse v1^{}"));
  CHECK(plain.ref == "refs/tags/v1");
  CHECK(plain.commit_object.empty());
  for (const std::string& ref : {std::string("v1"), plain.checksum, plain.commit_checksum}) {
    ResolvedGit whole = ask(ref, true);
    CHECK(whole.commit_object == bench.In("r", "git cat-file commit v1^{}") + "\n");
    CHECK(whole.tag_object.empty() == (ref == plain.commit_checksum));
  }
  std::string blob = bench.In("r", "git rev-parse main:a");
  auto wrong = bench.source->ResolveGit(CancelToken::Never(), bench.context, {"git://host/r#" + blob, {{"git.fullurl", bench.Url("r")}}, {}}, true);
  CHECK_FALSE(wrong.ok());
}

TEST_CASE("what a frontend was told holds for its build, other builds ask again") {  // SRC-067, SRC-072
  GitBench bench;
  bench.Repo("r");
  auto ask = [&](const cache::FetchContext& context, GitBench::Attrs attrs = {}) {
    attrs["git.fullurl"] = bench.Url("r");
    auto answer = bench.source->ResolveGit(CancelToken::Never(), context, {"git://host/r#main", attrs, {}}, false);
    return answer.ok() ? answer->checksum : Message(answer.status());
  };
  const std::string first = bench.In("r", "git rev-parse main");
  CHECK(ask(bench.context) == first);
  bench.In("r", "echo two >a\ngit commit -qam two");
  const std::string second = bench.In("r", "git rev-parse main");
  CHECK(ask(bench.context) == first);
  CHECK(bench.Look("r", "main", "cat a") == "one");
  CHECK(bench.Look("r", "main", "cat a; git rev-parse main", {{"git.keepgitdir", "true"}}) == "one\n" + first);
  CHECK(ask(bench.context, {{"git.checksum", second}}) == second);  // what was told cannot be meant
  CHECK(ask({{"another"}, {}}) == second);
  // A commit by its id says nothing of the ref that goes with it.
  GitBench other;
  other.Repo("r", "echo two >a\ngit commit -qam two");
  auto pinned = other.source->ResolveGit(CancelToken::Never(), other.context, {"git://host/r#main", {{"git.fullurl", other.Url("r")}, {"git.checksum", other.In("r", "git rev-parse main~1")}, {"git.fetchbycommit", "true"}}, {}}, false);
  REQUIRE(pinned.ok());
  CHECK(other.Look("r", "main", "cat a") == "two");
}

TEST_CASE("a ref that moves between question and fetch: the commit of the key is fetched, or it is an error") {  // SRC-067
  GitBench bench;
  bench.Repo("r", "git checkout -qb feature\necho two >a\ngit commit -qam two");
  auto instance = bench.Instance("r", "feature");
  auto key = instance->CacheKey(CancelToken::Never(), bench.context, 0);
  REQUIRE(key.ok());
  bench.In("r", "git checkout -q main\ngit branch -f feature main");
  CHECK(bench.Look(instance->Snapshot(CancelToken::Never(), bench.context), "cat a") == "two");

  bench.Repo("s", "git checkout -qb feature\necho another >a\ngit commit -qam two");
  auto other = bench.Instance("s", "feature");
  key = other->CacheKey(CancelToken::Never(), bench.context, 0);
  REQUIRE(key.ok());
  bench.In("s", "git checkout -q main\ngit branch -f feature main\ngit reflog expire --expire=now --expire-unreachable=now --all\ngit gc -q --prune=now");
  auto ref = other->Snapshot(CancelToken::Never(), bench.context);
  CHECK(Message(ref.status()) == "fetched ref feature does not match expected commit " + key->pin + " and commit can not be found in the repository");
}

TEST_CASE("tags that move and branches that become folders of branches do no harm") {  // SRC-068
  GitBench bench;
  bench.Repo("r", "git tag v1\ngit branch b");
  CHECK(bench.Look("r", "v1", "cat a") == "one");
  CHECK(bench.Look("r", "b", "cat a") == "one");
  bench.In("r", "echo two >a\ngit commit -qam two\ngit tag -f v1\ngit branch -D b\ngit branch b/c");
  CHECK(bench.Look("r", "v1", "cat a") == "two");
  CHECK(bench.Look("r", "b/c", "cat a") == "two");
  CHECK(bench.Look("r", "v1", "git describe --tags", {{"git.keepgitdir", "true"}}) == "v1");
}

TEST_CASE("a repository on disk that is damaged is begun anew") {  // SRC-068
  GitBench bench;
  bench.Repo("r", "echo two >a\ngit commit -qam two");
  REQUIRE(bench.Snapshot("r", "main").ok());
  bench.In("r", "echo three >a\ngit commit -qam three");
  std::string damaged = testing::Shell(bench.temp.path() + "/root", "for f in $(find . -path '*/objects/*' -type f -size -1000k | grep -v '/info/'); do chmod 644 $f; echo rubbish >$f; done; find . -name shallow | head -1");
  REQUIRE(!damaged.empty());
  CHECK(bench.Look("r", "main", "cat a") == "three");
}

TEST_CASE("a repository of SHA-256") {  // SRC-069
  GitBench bench;
  bench.Repo("r", "git tag -am t v1", "--object-format=sha256");
  auto key = bench.Key("r", "main");
  REQUIRE(key.ok());
  CHECK(key->key.size() == 64);
  CHECK(bench.Look("r", "main", "cat a") == "one");
  CHECK(bench.Look("r", "main", "git rev-parse HEAD; git status -s", {{"git.keepgitdir", "true"}}) == key->key);
}

TEST_CASE("a subdirectory is written alone, with the attributes of the directories above it") {  // SRC-050
  GitBench bench;
  bench.Repo("r", "mkdir -p d/e f\nprintf 'x\\n' >d/e/x\necho y >d/e/y\necho z >f/z\nprintf '*/x eol=crlf\\nx eol=crlf\\n' >.gitattributes\ngit add .\ngit commit -qm two");
  CHECK(bench.Look("r", "main:d", kFiles) == "./e ./e/x ./e/y");
  CHECK(bench.Look("r", "main:d/e", "ls; od -An -c x | tr -d ' '") == "x\ny\nx\\r\\n");
  CHECK(bench.Look("r", "main:d/e", "ls -A", {{"git.keepgitdir", "true"}}) == "x\ny");
}

TEST_CASE("a path through a link, a file or nothing is refused") {  // SRC-050, hostile 37
  GitBench bench;
  bench.Repo("r", "mkdir d\necho x >d/x\nln -s / root\nln -s d link\ngit add .\ngit commit -qm two");
  CHECK(bench.Look("r", "main:root/etc", "ls") == "invalid subdir root/etc: git subpath \"root/etc\" contains non-directory \"root\"");
  CHECK(bench.Look("r", "main:link", "ls") == "invalid subdir link: git subpath \"link\" contains non-directory \"link\"");
  CHECK(bench.Look("r", "main:a", "ls") == "invalid subdir a: git subpath \"a\" contains non-directory \"a\"");
  CHECK(bench.Look("r", "main:.git", "ls") == "invalid subdir .git: failed to lstat \".git\": no such file or directory");
  CHECK(bench.Look("r", "main:../../d", "ls") == "x");  // never above the root
}

TEST_CASE("a kept .git directory has the one commit, a clean remote and no hooks") {  // SRC-050
  GitBench bench;
  bench.Repo("r", "git tag -am t v1\necho two >a\ngit commit -qam two");
  std::string url = bench.Url("r"), with_password = url;
  with_password.insert(7, "user:verysecret@");
  std::string seen = bench.Look("r", "main", "git log --format=%s; git status -s; git remote get-url origin; cat .git/HEAD; git rev-parse main; ls .git/hooks 2>/dev/null | wc -l; ls .git",
                                {{"git.keepgitdir", "true"}, {"git.fullurl", with_password}});
  std::string commit = bench.In("r", "git rev-parse main"), shown = url;
  shown.insert(7, "xxxxx:xxxxx@");
  CHECK(seen.starts_with("two\n" + shown + "\n" + commit + "\n" + commit + "\n0\n"));
  CHECK(seen.find("FETCH_HEAD") == std::string::npos);
  CHECK(testing::Shell(bench.temp.path(), "grep -rl verysecret root || true") == "");
  CHECK(bench.Look("r", "v1", "git rev-parse v1; git describe", {{"git.keepgitdir", "true"}}) == bench.In("r", "git rev-parse v1") + "\nv1");
}

TEST_CASE("a commit with .git kept has the tags that are at it") {  // SRC-050, SRC-059
  GitBench bench;
  bench.Repo("r", "git tag -am t v1\ngit tag light\necho two >a\ngit commit -qam two\ngit tag v2");
  std::string commit = bench.In("r", "git rev-parse main~1");
  CHECK(bench.Look("r", commit, "git tag --points-at HEAD", {{"git.keepgitdir", "true"}}) == "light\nv1");
  CHECK(bench.Look("r", commit, "git rev-parse HEAD; git describe", {{"git.keepgitdir", "true"}}) == commit + "\nv1");
}

TEST_CASE("fetch by commit: the ref is only a name") {  // SRC-059
  GitBench bench;
  bench.Repo("r", "echo two >a\ngit commit -qam two");
  std::string old = bench.In("r", "git rev-parse main~1");
  GitBench::Attrs attrs = {{"git.checksum", old}, {"git.fetchbycommit", "true"}, {"git.keepgitdir", "true"}};
  auto key = bench.Key("r", "main", attrs);
  REQUIRE(key.ok());
  CHECK(key->key == old + ".git#refs/heads/main");
  CHECK(bench.http.log().empty());
  CHECK(bench.Look("r", "main", "cat a; git rev-parse main", attrs) == "one\n" + old);
}

TEST_CASE("a checksum of a commit named by its tag is checked against what was fetched") {  // SRC-056
  GitBench bench;
  bench.Repo("r", "git tag -am t v1");
  std::string tag = bench.In("r", "git rev-parse v1"), commit = bench.In("r", "git rev-parse main");
  CHECK(bench.Look("r", "v1", "cat a", {{"git.checksum", commit}}) == "one");
  CHECK(bench.Look("r", "v1", "cat a", {{"git.checksum", tag.substr(0, 8)}}) == "one");
  CHECK(bench.Look("r", "main", "cat a", {{"git.checksum", tag}}) == "expected checksum to match " + tag + ", got " + commit);
  CHECK(bench.Look("r", tag, "cat a", {{"git.checksum", commit}}) == "expected checksum to match " + commit + ", got " + tag);
}

TEST_CASE("times of the commit") {  // SRC-058
  GitBench bench;
  bench.Repo("r", "mkdir d\necho x >d/x\nln -s a link\ngit add .\ngit commit -qm two\ngit tag -am t v1");
  CHECK(bench.Look("r", "v1", "stat -c %Y . a d d/x link | sort -u", {{"git.mtime", "commit"}}) == "1600000100");
  CHECK(bench.Look("r", "v1:d", "stat -c %Y . x | sort -u", {{"git.mtime", "commit"}}) == "1600000100");
  CHECK(bench.Look("r", "v1", "stat -c %Y . .git .git/config a | sort -u", {{"git.mtime", "commit"}, {"git.keepgitdir", "true"}}) == "1600000100");
  CHECK(bench.Look("r", "v1", "test $(stat -c %Y a) -gt 1700000000 && echo now") == "now");
}

TEST_CASE("a bundle has the commit with its history") {  // SRC-061
  GitBench bench;
  bench.Repo("r", "echo two >a\ngit commit -qam two");
  REQUIRE(bench.Snapshot("r", "main").ok());  // the shared repository is shallow now
  std::string seen = bench.Look("r", "main", "d=$(mktemp -d); ls; git clone -q bundle $d -b main; git -C $d log --format=%s; rm -rf $d", {{"git.checkoutbundle", "true"}});
  CHECK(seen == "bundle\ntwo\none");
}

TEST_CASE("an empty tree, and names that are unusual") {
  GitBench bench;
  bench.Repo("r", "git rm -q a\ngit commit -qm empty");
  CHECK(bench.Look("r", "main", kFiles) == "");
  bench.Repo("s", "mkdir 'd *'\necho x >'d */[x] y'\ngit add .\ngit commit -qm two\ngit branch \"o'dd\"");
  CHECK(bench.Look("s", "o'dd:d *", "ls") == "[x] y");
}

TEST_CASE("what is not built is refused by name") {  // SRC-062
  GitBench bench;
  auto refused = [&](const GitBench::Attrs& attrs) { return Message(bench.source->Resolve({"git://host/r#main", attrs, {}}).status()); };
  CHECK(refused({{"git.sig.pubkey", "KEY"}}) == "signatures of git commits are not built yet (leave out git.sig.*)");
  auto ssh = bench.Key("r", "main", {{"git.fullurl", "git@host.invalid:r.git"}, {"git.mountsshsock", "default"}});
  CHECK(Message(ssh.status()).find("no SSH key \"default\" forwarded from the client") == 0);
}

}  // namespace
}  // namespace bk::source
