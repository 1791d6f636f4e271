#include "daemon/source/git/remote.h"

#include <algorithm>

#include "base/digest.h"
#include "base/unicode.h"
#include "base/git_url.h"

namespace bk::source {
namespace {

// github.com's remotes share one token, as the action that checks them out does it; else it is for the remote alone.
std::string TokenScope(const std::string& url) {
  for (const char* prefix : {"https://github.com/", "https://www.github.com/"}) {
    if (url.starts_with(prefix)) return prefix;
  }
  return url;
}

bool IsControl(char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; }

absl::StatusOr<GitCredentials> WithHeader(const std::string& scope, const std::string& value, std::vector<std::string> secrets) {
  if (std::any_of(value.begin(), value.end(), IsControl)) return InvalidArgument("a git authentication secret has a line break or another control character in it");
  GitCredentials out;
  out.config.emplace_back(StrCat("http.", scope, ".extraHeader"), "Authorization: " + value);
  // git would send the header to wherever the first answer leads.
  out.config.emplace_back("http.followRedirects", "false");
  out.secrets = std::move(secrets);
  out.secrets.push_back(value);
  if (size_t space = value.rfind(' '); space != std::string::npos) out.secrets.push_back(value.substr(space + 1));
  // Long ones first: one may be part of another.
  std::erase_if(out.secrets, [](const std::string& secret) { return secret.size() < 4; });
  std::sort(out.secrets.begin(), out.secrets.end(), [](const auto& a, const auto& b) { return a.size() > b.size(); });
  return out;
}

std::string_view WithoutLineEnd(std::string_view text) {
  while (text.ends_with('\n') || text.ends_with('\r')) text.remove_suffix(1);
  return text;
}

// "scheme://host" or "user@host:" in front, the path behind.
size_t PathStart(const std::string& url) {
  if (size_t scheme = url.find("://"); scheme != std::string::npos) return std::min(url.find('/', scheme + 3), url.size());
  return std::min(url.find(':'), url.size() - 1) + 1;
}

}  // namespace

absl::StatusOr<Remote> Remote::Parse(const std::string& url) {
  Remote out;
  out.shown = RedactCredentials(url);
  auto parsed = GitUrl::Parse(url);
  if (!parsed.ok()) return Annotate(parsed.status(), StrCat("invalid git remote ", Quote(out.shown)));
  bool odd = url.starts_with('-') || std::any_of(url.begin(), url.end(), IsControl) || parsed->host.empty() || parsed->host.starts_with('-') || parsed->path.starts_with('-');
  if (odd) return InvalidArgument("invalid git remote ", Quote(out.shown));
  out.url = parsed->remote;
  out.ssh = parsed->scheme == "ssh";
  out.key = "git-remote::" + out.url;
  if (out.ssh || !parsed->user) return out;
  // Others than ssh have no use for a name alone.
  BK_TRY(GoUrl bare, GoUrl::Parse(out.url));
  bare.user.reset();
  out.key = StrCat("git-remote::", bare.str(), "#", DigestOf(url).hex());
  out.url = bare.str();
  if (parsed->user->password) out.authorization = "Basic " + Base64Encode(parsed->user->name + ":" + *parsed->user->password);
  return out;
}

absl::StatusOr<GitCredentials> OwnCredentials(const Remote& remote) {
  if (remote.authorization.empty()) return GitCredentials();
  // For the host: a submodule's relative address takes over the user of the URL it is relative to.
  return WithHeader(remote.url.substr(0, PathStart(remote.url)) + "/", remote.authorization, {});
}

absl::StatusOr<GitCredentials> AskCredentials(const CancelToken& cancel, session::Manager& sessions, const std::vector<std::string>& session_ids, const GitIdentifier& id, const Remote& remote) {
  struct Name {
    std::string id;
    bool is_token;
  };
  std::vector<Name> names;
  auto url = GoUrl::Parse(remote.url);
  if (!url.ok() || (url->scheme != "http" && url->scheme != "https")) return OwnCredentials(remote);
  for (const std::string& suffix : {"." + url->host, std::string()}) {
    if (!id.auth_header_secret.empty()) names.push_back({id.auth_header_secret + suffix, false});
    if (!id.auth_token_secret.empty()) names.push_back({id.auth_token_secret + suffix, true});
  }
  std::string header, secret;
  if (!names.empty()) {
    // A client that serves no secrets is one that has none.
    session::Any(cancel, sessions, session_ids, [&](const std::shared_ptr<session::Session>& client) {
      absl::Status last = NotFound("no secret");
      for (const Name& name : names) {
        auto value = client->GetSecret(cancel, name.id);
        last = value.status();
        if (absl::IsNotFound(last)) continue;
        if (!last.ok()) return last;
        secret = WithoutLineEnd(*value);
        header = name.is_token ? "basic " + Base64Encode("x-access-token:" + secret) : secret;
        break;
      }
      return last;
    }).IgnoreError();
    BK_RETURN_IF_ERROR(cancel.Check());
  }
  return header.empty() ? OwnCredentials(remote) : WithHeader(TokenScope(remote.url), header, {secret});
}

std::string ResolveSubmoduleUrl(const std::string& parent, const std::string& url) {
  if (!url.starts_with("./") && !url.starts_with("../")) return url;
  size_t start = PathStart(parent);
  std::string path = parent.substr(start);
  std::string_view rest = url;
  while (true) {
    while (path.ends_with('/')) path.pop_back();
    if (rest.starts_with("./")) {
      rest.remove_prefix(2);
    } else if (rest.starts_with("../")) {
      rest.remove_prefix(3);
      path.erase(path.rfind('/') == std::string::npos ? 0 : path.rfind('/'));
    } else {
      break;
    }
  }
  while (rest.ends_with('/')) rest.remove_suffix(1);
  std::string out = parent.substr(0, start) + path;
  if (!out.ends_with('/') && !out.ends_with(':')) out += '/';
  return out.append(rest);
}

}  // namespace bk::source
