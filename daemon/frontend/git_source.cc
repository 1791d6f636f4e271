#include "daemon/frontend/git_source.h"

#include "base/path.h"
#include "daemon/frontend/without_credentials.h"

namespace bk::frontend {

absl::StatusOr<std::optional<GitRequest>> ParseGitRequest(const std::string& text) {
  bool is_git = false;
  auto git = GitContext::Parse(text, &is_git);
  if (git.ok()) return GitRequest{*std::move(git), text};
  if (is_git) return git.status();
  return std::nullopt;
}

llb::State GitState(llb::Graph& graph, const GitContext& git, std::string name) {
  std::string url = IsGitTransport(git.remote) ? git.remote : "https://" + git.remote;
  std::string identifier = url;
  llb::OpOptions options;
  options.Name(std::move(name));
  std::map<std::string, std::string> attrs;
  auto with = [&](const char* attr, std::string value, const char* cap) {
    attrs[attr] = std::move(value);
    options.caps.insert(cap);
  };
  // One repository has one name, whichever way leads to it.
  if (auto parsed = GitUrl::Parse(url); parsed.ok()) {
    url = parsed->remote;
    identifier = parsed->host + CleanPath("/" + parsed->path);
    if (!git.ref.empty() || !git.subdir.empty()) identifier += "#" + git.ref;
    if (!git.subdir.empty()) identifier += ":" + git.subdir;
    if (parsed->scheme == "ssh") {
      options.caps.insert("source.git.knownsshhosts");
      with("git.mountsshsock", "default", "source.git.mountsshsock");
    }
  }
  options.caps.insert("source.git");
  attrs["git.authtokensecret"] = "GIT_AUTH_TOKEN";
  attrs["git.authheadersecret"] = "GIT_AUTH_HEADER";
  with("git.fullurl", url, "source.git.fullurl");
  if (git.keep_git_dir.value_or(false)) with("git.keepgitdir", "true", "source.git.keepgitdir");
  if (!git.checksum.empty()) with("git.checksum", git.checksum, "source.git.checksum");
  if (!git.submodules.value_or(true)) with("git.skipsubmodules", "true", "source.git.skipsubmodules");
  if (!git.mtime.empty()) with("git.mtime", git.mtime, "source.git.mtime");
  if (git.fetch_by_commit) with("git.fetchbycommit", "true", "source.git.fetchbycommit");
  return llb::Source(graph, "git://" + identifier, std::move(attrs), std::move(options));
}

llb::State GitContextState(llb::Graph& graph, const GitRequest& request) {
  return GitState(graph, request.git, "[internal] load git source " + WithoutCredentials(request.text));
}

}  // namespace bk::frontend
