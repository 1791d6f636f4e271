// Submodules: repositories in repositories, and what their authors may not make the daemon do.
#include "daemon/source/git/submodules.h"

#include "daemon/source/git/remote.h"
#include "tests/unit/daemon/source/git/bench.h"

namespace bk::source {
namespace {

// `r` with `s` at sub/s, `t` inside of it at deep; relative addresses.
void Nest(GitBench& bench) {
  bench.Repo("t", "echo t >t\ngit add t\ngit commit -qm t");
  std::string t = bench.In("t", "git rev-parse HEAD");
  bench.Repo("s", "echo s >s\nprintf '[submodule \"deep.er\"]\\n\\tpath = deep\\n\\turl = ../../t/.git\\n' >.gitmodules\ngit add s .gitmodules\n"
                  "git update-index --add --cacheinfo 160000," + t + ",deep\ngit commit -qm s");
  std::string s = bench.In("s", "git rev-parse HEAD");
  bench.Repo("r", "mkdir sub\necho r >sub/r\nprintf '[submodule \"x\"]\\n\\tpath = sub/s\\n\\turl = " + bench.Url("s") + "\\n' >.gitmodules\ngit add sub .gitmodules\n"
                  "git update-index --add --cacheinfo 160000," + s + ",sub/s\ngit commit -qm r");
}
// `r` with a submodule at "m" whose .gitmodules is `text`.
void WithGitmodules(GitBench& bench, const std::string& text) {
  bench.Repo("r", "printf '" + text + "' >.gitmodules\ngit add .gitmodules\ngit update-index --add --cacheinfo 160000,$(git rev-parse HEAD),m\ngit commit -qm r");
}

TEST_CASE("submodules are brought in at all depths, as files without .git") {  // SRC-057
  GitBench bench;
  Nest(bench);
  CHECK(bench.Look("r", "main", "find . -type f | sort | tr '\\n' ' '") ==
        "./.gitmodules ./a ./sub/r ./sub/s/.gitmodules ./sub/s/a ./sub/s/deep/a ./sub/s/deep/t ./sub/s/s");
  CHECK(bench.Look("r", "main", "find sub | sort | tr '\\n' ' '", {{"git.skipsubmodules", "true"}}) == "sub sub/r sub/s");
}

TEST_CASE("a subdirectory may lie in a submodule, and only what it needs is asked for") {  // SRC-057
  GitBench bench;
  Nest(bench);
  CHECK(bench.Look("r", "main:sub/s/deep", "cat t") == "t");
  CHECK(bench.Look("r", "main:sub", "cat r s/s s/deep/t") == "r\ns\nt");
  CHECK(bench.Look("r", "main:sub/s/nothing", "ls") == "invalid subdir sub/s/nothing: failed to lstat \"sub/s/nothing\": no such file or directory");
}

TEST_CASE("with .git kept git itself brings them in, relative addresses too") {  // SRC-050, SRC-057
  GitBench bench;
  Nest(bench);
  CHECK(bench.Look("r", "main", "cat sub/s/deep/t; git status -s; git -C sub/s log --format=%s -1", {{"git.keepgitdir", "true"}}) == "t\ns");
}

TEST_CASE("submodules of a plain file server, which has no shallow fetches") {  // SRC-057
  GitBench bench;
  Nest(bench);
  for (const char* name : {"r", "s", "t"}) bench.In(name, "git update-server-info");
  bench.http.plain_files = true;
  CHECK(bench.Look("r", "main", "cat sub/s/deep/t", {{"git.keepgitdir", "true"}}) == "t");
  CHECK(bench.Look("r", "main", "cat sub/s/deep/t") == "t");
}

TEST_CASE("submodules that are not wanted, not named or not there") {  // SRC-057
  GitBench bench;
  WithGitmodules(bench, "[submodule \"m\"]\\n\\tpath = m\\n\\turl = " + bench.http.url() + "/nothing/.git\\n\\tupdate = none\\n");
  CHECK(bench.Look("r", "main", "ls -A m | wc -l") == "0");
  GitBench unnamed;
  WithGitmodules(unnamed, "[submodule \"m\"]\\n\\tpath = other\\n\\turl = http://host.invalid/x.git\\n");
  CHECK(unnamed.Look("r", "main", "ls") == "failed to update submodules for " + unnamed.Url("r") + ": no url found for submodule path \"m\" in .gitmodules");
}

TEST_CASE("hostile: transports that run programs or read the daemon's files are refused, with and without .git kept") {  // hostile 36
  for (const char* url : {"ext::sh -c touch%% /tmp/bk-owned", "file:///etc", "/etc", "fd::3", "ftp://host.invalid/x.git"}) {
    GitBench bench;
    WithGitmodules(bench, StrCat("[submodule \"m\"]\\n\\tpath = m\\n\\turl = ", url, "\\n"));
    std::string plain = bench.Look("r", "main", "ls"), kept = bench.Look("r", "main", "ls", {{"git.keepgitdir", "true"}});
    CAPTURE(url);
    CHECK(plain.find("only http, https, ssh and git are allowed") != std::string::npos);
    CHECK(kept.find("failed to update submodules") != std::string::npos);
    CHECK(!os::Exists("/tmp/bk-owned"));
  }
}

TEST_CASE("hostile: addresses and names like options, commands to update with") {  // hostile 36
  GitBench bench;
  for (const char* url : {"-u./x:y/.git", "ssh://-oProxyCommand=touch%%20/tmp/bk-owned/x", "-oProxyCommand=x@host:y"}) {
    GitBench bench;
    WithGitmodules(bench, StrCat("[submodule \"m\"]\\n\\tpath = m\\n\\turl = ", url, "\\n"));
    CAPTURE(url);
    CHECK(bench.Look("r", "main", "ls").find("failed to update submodules") == 0);
    CHECK(!os::Exists("/tmp/bk-owned"));
  }
  bench.Repo("s");
  std::string commit = bench.In("s", "git rev-parse HEAD");
  bench.Repo("r", "printf '[submodule \"../../x\"]\\n\\tpath = m\\n\\turl = " + bench.Url("s") + "\\n\\tupdate = !touch /tmp/bk-owned\\n' >.gitmodules\ngit add .gitmodules\n"
                  "git update-index --add --cacheinfo 160000," + commit + ",m\ngit commit -qm r");
  CHECK(bench.Look("r", "main", "cat m/a") == "one");
  bench.Look("r", "main", "ls", {{"git.keepgitdir", "true"}});
  CHECK(!os::Exists("/tmp/bk-owned"));
}

TEST_CASE("hostile: a link named .gitmodules, a link in the way of a submodule") {  // hostile 38
  GitBench bench;
  bench.Repo("r", "link=$(printf a | git hash-object -w --stdin)\n"
                  "tree=$(printf '120000 blob %s\\t.gitmodules\\n160000 commit %s\\tm\\n' $link $(git rev-parse HEAD) | git mktree --missing)\n"
                  "git update-ref refs/heads/bad $(echo m | git commit-tree $tree)");
  CHECK(bench.Look("r", "bad", "ls").find("invalid path '.gitmodules'") != std::string::npos);
  CHECK(bench.Look("r", "bad", "ls", {{"git.keepgitdir", "true"}}).find("invalid path '.gitmodules'") != std::string::npos);
}

TEST_CASE("relative addresses") {
  CHECK(ResolveSubmoduleUrl("https://h/a/b.git", "../c.git") == "https://h/a/c.git");
  CHECK(ResolveSubmoduleUrl("https://h/a/b.git/", "../../c.git/") == "https://h/c.git");
  CHECK(ResolveSubmoduleUrl("https://h/a/b.git", "./c") == "https://h/a/b.git/c");
  CHECK(ResolveSubmoduleUrl("https://h/a", "../../../../c") == "https://h/c");
  CHECK(ResolveSubmoduleUrl("git@h:a/b.git", "../c.git") == "git@h:a/c.git");
  CHECK(ResolveSubmoduleUrl("git@h:b.git", "../c.git") == "git@h:c.git");
  CHECK(ResolveSubmoduleUrl("https://h/a", "https://x/y") == "https://x/y");
}

TEST_CASE(".gitmodules as git lists it") {
  using std::string_view_literals::operator""sv;
  auto modules = ParseGitmodules("submodule.a.b.path\nx/y\0submodule.a.b.url\nU\0submodule.c.path\nz\0submodule.d.url\nV\0submodule.path\nq\0other.x\ny\0submodule.n\0"sv);
  REQUIRE(modules.size() == 1);
  CHECK(modules.at("x/y").url == "U");
}

}  // namespace
}  // namespace bk::source
