// Who may read a remote, what is kept secret, and what happens when the network fails.
#include <chrono>

#include "daemon/source/git/git_cli.h"
#include "daemon/source/git/remote.h"
#include "tests/unit/daemon/source/git/bench.h"

namespace bk::source {
namespace {

struct Told : solver::ProgressSink {
  Guarded<std::string> log;
  void Vertex(const solver::VertexEvent&) override {}
  void Status(const solver::StatusEvent&) override {}
  void Log(const solver::LogEvent& event) override {
    log.With([&](std::string& all) { all += event.data; });
  }
  void Warning(const solver::WarningEvent&) override {}
};

// Lets in who sends this header alone.
void Demand(GitBench& bench, const std::string& header) {
  bench.http.before = [header](const testing::TestRequest& request) {
    auto sent = request.headers.find("authorization");
    bool fits = sent != request.headers.end() && sent->second == header;
    return fits ? testing::TestResponse{0, {}, ""} : testing::TestResponse{401, {{"WWW-Authenticate", "Basic realm=\"x\""}}, ""};
  };
}
const GitBench::Attrs kSecrets = {{"git.authtokensecret", "GIT_AUTH_TOKEN"}, {"git.authheadersecret", "GIT_AUTH_HEADER"}};

TEST_CASE("tokens and headers of the client, those of the host before the others") {  // SRC-052, SRC-053
  GitBench bench;
  bench.Repo("r");
  Demand(bench, "basic " + Base64Encode("x-access-token:tok-12345"));
  CHECK(bench.Look("r", "main", "cat a", kSecrets).find("could not read Username") != std::string::npos);
  bench.sessions.client->secrets["GIT_AUTH_TOKEN"] = "wrong-token";
  CHECK(!bench.Snapshot("r", "main", kSecrets).ok());
  bench.sessions.client->secrets["GIT_AUTH_TOKEN." + bench.http.host()] = "tok-12345\n";
  bench.sessions.client->secrets_asked.clear();
  CHECK(bench.Look("r", "main", "cat a", kSecrets) == "one");
  CHECK(bench.sessions.client->secrets_asked[0] == "GIT_AUTH_HEADER." + bench.http.host());
  CHECK(bench.sessions.client->secrets_asked[1] == "GIT_AUTH_TOKEN." + bench.http.host());
  CHECK(!bench.Snapshot("r", "main").ok());  // no secret was named
  Demand(bench, "Bearer abcdef");
  bench.sessions.client->secrets = {{"GIT_AUTH_HEADER", "Bearer abcdef"}};
  bench.In("r", "echo two >a\ngit commit -qam two");
  CHECK(bench.Look("r", "main", "cat a", kSecrets) == "two");
}

TEST_CASE("user and password of the URL, and of relative submodules with it") {  // SRC-051
  GitBench bench;
  bench.Repo("s", "echo s >s\ngit add s\ngit commit -qm s");
  bench.Repo("r", "printf '[submodule \"m\"]\\n\\tpath = m\\n\\turl = ../../s/.git\\n' >.gitmodules\ngit add .gitmodules\ngit update-index --add --cacheinfo 160000," +
                      bench.In("s", "git rev-parse HEAD") + ",m\ngit commit -qm r");
  Demand(bench, "Basic " + Base64Encode("me:p@ss"));
  std::string url = bench.Url("r");
  url.insert(7, "me:p%40ss@");
  CHECK(bench.Look("r", "main", "cat m/s", {{"git.fullurl", url}}) == "s");
}

TEST_CASE("a secret is in no log, no error, no file and on no command line") {  // SRC-053
  GitBench bench;
  bench.Repo("r");
  auto told = std::make_shared<Told>();
  bench.context.progress = solver::VertexProgress(told, DigestOf("v"));
  const std::string token = "tok-98765", basic = Base64Encode("x-access-token:" + token);
  bench.sessions.client->secrets["GIT_AUTH_TOKEN"] = token;
  std::string arguments;
  bench.http.before = [&](const testing::TestRequest&) {
    arguments += testing::Shell("/", "cat /proc/[0-9]*/cmdline 2>/dev/null | tr '\\0' ' ' || true");
    return testing::TestResponse{0, {}, ""};
  };
  CHECK(bench.Look("r", "main", "cat a", kSecrets) == "one");
  CHECK(arguments.find("remote-http") != std::string::npos);
  bench.http.before = [&](const testing::TestRequest& request) { return testing::TestResponse{500, {}, request.headers.at("authorization")}; };
  bench.In("r", "echo two >a\ngit commit -qam two");
  std::string seen = arguments + bench.Look("r", "main", "cat a", kSecrets) + told->log.With([](const std::string& all) { return all; });
  for (const std::string& secret : {token, basic}) {
    CHECK(seen.find(secret) == std::string::npos);
    CHECK(testing::Shell(bench.temp.path(), "grep -rlF '" + secret + "' root || true") == "");
  }
}

TEST_CASE("a secret with a line break is refused") {  // hostile: headers with line breaks
  GitBench bench;
  bench.Repo("r");
  bench.sessions.client->secrets["GIT_AUTH_HEADER"] = "Basic x\r\nX-Other: y";
  CHECK(bench.Look("r", "main", "cat a", kSecrets) == "a git authentication secret has a line break or another control character in it");
  CHECK(bench.http.log().empty());
}

TEST_CASE("credentials do not follow a redirect to another host") {  // hostile: credentials on redirects
  GitBench bench, other;
  bench.Repo("r");
  other.Repo("r");
  std::string seen;
  other.http.before = [&](const testing::TestRequest& request) {
    if (request.headers.contains("authorization")) seen = request.headers.at("authorization");
    return testing::TestResponse{0, {}, ""};
  };
  bench.http.before = [&](const testing::TestRequest& request) {
    return testing::TestResponse{302, {{"Location", other.http.url() + request.path + "?" + request.query}}, ""};
  };
  CHECK(bench.Look("r", "main", "cat a") == "one");
  CHECK(!other.http.log().empty());
  bench.sessions.client->secrets["GIT_AUTH_TOKEN"] = "tok-12345";
  other.In("r", "echo two >a\ngit commit -qam two");
  CHECK(!bench.Snapshot("r", "main", kSecrets).ok());
  CHECK(seen.empty());
}

TEST_CASE("a connection that breaks is tried again, a refusal is not") {  // SRC-068
  GitBench bench;
  bench.Repo("r");
  int breaks = 2;
  bench.http.after = [&](const testing::TestRequest& request, testing::TestResponse& response) {
    if (request.method == "POST" && breaks > 0) {
      breaks--;
      response.cut_after = response.body.size() / 2;
    }
  };
  CHECK(bench.Look("r", "main", "cat a") == "one");
  CHECK(breaks == 0);
  size_t before = bench.http.log().size();
  CHECK(!bench.Snapshot("nothing", "main").ok());
  CHECK(bench.http.log().size() - before == 1);
}

TEST_CASE("hostile: a repository without end stops at the limit, and leaves no half behind") {  // hostile 40
  GitBench bench;
  bench.Repo("r", "head -c 300000 /dev/urandom >big\ngit add big\ngit commit -qm big");
  bench.source = MakeGitSource({.sessions = &bench.sessions, .cache = &bench.store->manager(), .limit_bytes = 100'000});
  auto ref = bench.Snapshot("r", "main");
  CHECK_MESSAGE(ref.status().code() == absl::StatusCode::kResourceExhausted, Message(ref.status()));
  CHECK(Message(ref.status()).find("the repository is too large: git may write no file of more than 100000 bytes") != std::string::npos);
  CHECK(bench.Requests("POST") <= 3);
  CHECK(testing::Shell(bench.temp.path(), "find root -name 'tmp_pack*' | wc -l") == "0");
  bench.source = MakeGitSource({.sessions = &bench.sessions, .cache = &bench.store->manager(), .limit_bytes = 1'000'000});
  CHECK(bench.Look("r", "main", "wc -c <big") == "300000");
}

TEST_CASE("cancelled: git and its helpers are gone, and so is the half-made tree") {  // SRC-070
  GitBench bench;
  bench.Repo("r");
  Guarded<bool> asked;
  bench.http.before = [&](const testing::TestRequest& request) {
    if (request.path.ends_with("git-upload-pack")) {
      asked.Change([](bool& value) { value = true; });
      bool ended = false;
      for (int i = 0; i < 1000 && !ended; i++) {
        ended = testing::Shell("/", "grep -l -a remote-http /proc/[0-9]*/cmdline 2>/dev/null | grep -v self | wc -l || true") == "0";
      }
    }
    return testing::TestResponse{0, {}, ""};
  };
  CancelSource source;
  TaskGroup group;
  absl::Status status;
  auto instance = bench.Instance("r", bench.In("r", "git rev-parse HEAD"));
  group.Run([&] { status = instance->Snapshot(source.token(), bench.context).status(); });
  asked.Wait([](bool value) { return value; });
  source.Cancel();
  group.Wait();
  CHECK(Message(status).ends_with("context canceled"));
  bench.http.before = nullptr;
  CHECK(bench.Look("r", "main", "cat a") == "one");
}

TEST_CASE("hostile: settings, hooks and attributes that would run something") {  // hostile 38
  GitBench bench;
  bench.Repo("r", "mkdir hooks\nprintf '#!/bin/sh\\ntouch /tmp/bk-owned\\n' >hooks/post-checkout\nchmod +x hooks/post-checkout\n"
                  "printf '* filter=evil diff=evil merge=evil\\n' >.gitattributes\nprintf '[filter \"evil\"]\\n\\tsmudge = touch /tmp/bk-owned\\n' >config\ngit add .\ngit commit -qm two");
  CHECK(bench.Look("r", "main", "cat a") == "one");
  CHECK(bench.Look("r", "main", "cat a", {{"git.keepgitdir", "true"}}) == "one");
  CHECK(!os::Exists("/tmp/bk-owned"));
}

TEST_CASE("hostile: trees with paths into .git are refused") {  // hostile 38
  for (const char* name : {".git", ".GIT", "git~1", ".g\u200cit"}) {
    GitBench bench;
    bench.Repo("r", StrCat("blob=$(echo x | git hash-object -w --stdin)\n"
                           "sub=$(printf '100644 blob %s\\tconfig\\n' $blob | git mktree)\n"
                           "tree=$(printf '040000 tree %s\\t", name, "\\n' $sub | git mktree)\n"
                           "git update-ref refs/heads/bad $(echo m | git commit-tree $tree)"));
    CAPTURE(name);
    CHECK(bench.Look("r", "bad", "ls").find("failed to checkout remote") == 0);
    CHECK(!bench.Snapshot("r", "bad", {{"git.keepgitdir", "true"}}).ok());
  }
}

TEST_CASE("hostile: refs and remotes like options, a HEAD that names one") {  // hostile 36, GHSA-hw3h-2gp9-cxpv
  GitBench bench;
  CHECK(Message(bench.source->Resolve({"git://host/r#--upload-pack=touch /tmp/bk-owned", {}, {}}).status()) == "invalid git ref \"--upload-pack=touch /tmp/bk-owned\"");
  for (const char* url : {"-oProxyCommand=touch@host:x", "ssh://-oProxyCommand=touch/x", "http:///x"}) {
    auto instance = bench.source->Resolve({"git://host/r#main", {{"git.fullurl", url}}, {}});
    REQUIRE(instance.ok());
    CHECK(Message((*instance)->CacheKey(CancelToken::Never(), bench.context, 0).status()).find("invalid git remote ") == 0);
  }
  bench.Repo("r", "git update-ref refs/heads/--upload-pack=x HEAD\ngit symbolic-ref HEAD refs/heads/--upload-pack=x");
  CHECK(Message(bench.Key("r", "").status()) == "invalid git ref \"--upload-pack=x\"");
  CHECK(bench.Look("r", "refs/heads/--upload-pack=x", "cat a") == "one");  // a name as another when it is written out
}

TEST_CASE("which failures come from the network") {
  CHECK(IsBrokenConnection("error: RPC failed; curl 18 transfer closed with outstanding read data remaining"));
  CHECK(IsBrokenConnection("fatal: unable to access 'x': The requested URL returned error: 503"));
  CHECK(!IsBrokenConnection("fatal: repository 'x' not found"));
  CHECK(!IsBrokenConnection("git@host: Permission denied (publickey).\nfatal: Could not read from remote repository.\nConnection closed by remote host"));
}

}  // namespace
}  // namespace bk::source
