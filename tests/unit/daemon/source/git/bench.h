// A git source over a real store, with repositories of its own behind a server.
#pragma once

#include <doctest/doctest.h>

#include "daemon/cache/store.h"
#include "daemon/registry/registry.h"
#include "daemon/source/git/git.h"
#include "tests/unit/support/fake_session.h"
#include "tests/unit/support/git_server.h"

namespace bk::source {

struct GitBench {
  GitBench() : temp(*os::TempDir::Make("git-source-")), repos(temp.path() + "/repos"), http(repos) {
    REQUIRE(os::MakeDirs(repos, 0755).ok());
    auto opened = cache::Store::Open({temp.path() + "/root", "native"});
    REQUIRE_MESSAGE(opened.ok(), Message(opened.status()));
    store = std::move(*opened);
    registry.emplace(registry::Registry::Options{.hosts = {}, .sessions = &sessions, .content = &store->content(), .backoff_ms = 1});
    source = MakeGitSource({.sessions = &sessions, .cache = &store->manager(), .registry = &*registry, .content = &store->content()});
  }
  // A repository NAME with one commit on main (file "a"), and what `script` does behind it.
  std::string Repo(const std::string& name, const std::string& script = "", const std::string& options = "") {
    REQUIRE(os::MakeDirs(repos + "/" + name, 0755).ok());
    return testing::Shell(repos + "/" + name, "git init -q " + options + " .\necho one >a\ngit add a\ngit commit -qm one\n" + script);
  }
  std::string In(const std::string& name, const std::string& script) { return testing::Shell(repos + "/" + name, script); }
  std::string Url(const std::string& name) { return http.url() + "/" + name + "/.git"; }

  using Attrs = std::map<std::string, std::string>;
  std::unique_ptr<SourceInstance> Instance(const std::string& name, const std::string& fragment, Attrs attrs = {}) {
    attrs.try_emplace("git.fullurl", Url(name));
    auto instance = source->Resolve({"git://host/" + name + (fragment.empty() ? "" : "#" + fragment), attrs, {}});
    REQUIRE_MESSAGE(instance.ok(), Message(instance.status()));
    return *std::move(instance);
  }
  absl::StatusOr<SourceKey> Key(const std::string& name, const std::string& fragment, Attrs attrs = {}) {
    return Instance(name, fragment, std::move(attrs))->CacheKey(CancelToken::Never(), context, 0);
  }
  absl::StatusOr<cache::ImmutablePtr> Snapshot(const std::string& name, const std::string& fragment, Attrs attrs = {}) {
    return Instance(name, fragment, std::move(attrs))->Snapshot(CancelToken::Never(), context);
  }
  // What a script says in the tree of a snapshot, or the error.
  std::string Look(const absl::StatusOr<cache::ImmutablePtr>& ref, const std::string& script) {
    if (!ref.ok()) return Message(ref.status());
    auto mount = (*ref)->Mount(CancelToken::Never(), context, true);
    REQUIRE(mount.ok());
    auto mounted = os::TempMount::Make((*mount)->mounts());
    REQUIRE(mounted.ok());
    return testing::Shell(mounted->path(), script);
  }
  std::string Look(const std::string& name, const std::string& fragment, const std::string& script, Attrs attrs = {}) { return Look(Snapshot(name, fragment, std::move(attrs)), script); }
  size_t Requests(const std::string& part) {
    size_t count = 0;
    for (const std::string& line : http.log()) count += line.find(part) != std::string::npos;
    return count;
  }

  os::TempDir temp;
  const std::string repos;
  std::unique_ptr<cache::Store> store;
  testing::FakeSessions sessions;
  std::optional<registry::Registry> registry;
  std::unique_ptr<Source> source;
  cache::FetchContext context{{"session"}, {}};
  testing::GitHttp http;
};

}  // namespace bk::source
