#include "base/git_url.h"

#include <re2/re2.h>

#include "base/go_parse.h"
#include "base/path.h"
#include "base/unicode.h"

namespace bk {
namespace {

re2::StringPiece Piece(std::string_view text) { return {text.data(), text.size()}; }

// The scheme before "://", lower case; "" if there is none of letters and digits.
std::string Protocol(std::string_view text) {
  static const RE2* const regexp = new RE2("([a-zA-Z0-9]+)://");
  re2::StringPiece input = Piece(text);
  std::string protocol;
  return RE2::Consume(&input, *regexp, &protocol) ? ToLower(protocol) : "";
}

bool IsSupported(std::string_view protocol) { return protocol == "http" || protocol == "https" || protocol == "ssh" || protocol == "git"; }

struct ScpStyle {
  std::string user, host, path, query, fragment;
};

bool ParseScp(std::string_view text, ScpStyle& out) {
  static const RE2* const regexp = new RE2(R"(([a-zA-Z0-9\-_]+)@([a-zA-Z0-9\-.]+):(.*?)(?:\?(.*?))?(?:#(.*))?)");
  return RE2::FullMatch(Piece(text), *regexp, &out.user, &out.host, &out.path, &out.query, &out.fragment);
}

void SetFragment(const std::string& fragment, GitUrl& url) {
  if (fragment.empty()) return;
  url.has_fragment = true;
  size_t colon = fragment.find(':');
  url.ref = fragment.substr(0, colon);
  if (colon != std::string::npos) url.subdir = CleanPath("/" + fragment.substr(colon + 1)).substr(1);
}

bool ParseFlag(const std::string& value, bool& out) {
  auto parsed = value.empty() ? absl::StatusOr<bool>(true) : ParseBool(value);
  if (parsed.ok()) out = *parsed;
  return parsed.ok();
}

absl::Status SetOnce(const char* what, std::string& field, const std::string& value) {
  if (!field.empty() && field != value) return InvalidArgument(what, " conflicts: ", Quote(field), " vs ", Quote(value));
  field = value;
  return absl::OkStatus();
}

std::string WithPrefix(std::string_view prefix, const std::string& name) { return name.starts_with(prefix) ? name : std::string(prefix) + name; }

// One query parameter; "tag" and "branch" are handled by the caller once all are known.
absl::Status ApplyParameter(const std::string& key, const std::string& value, GitContext& out) {
  auto flag = [&](std::optional<bool>& field) {
    bool parsed = false;
    if (!ParseFlag(value, parsed)) return InvalidArgument("invalid ", key, " value: ", Quote(value));
    field = parsed;
    return absl::OkStatus();
  };
  if (key == "ref") return SetOnce("ref", out.ref, value);
  if (key == "subdir") return SetOnce("subdir", out.subdir, value);
  if (key == "checksum" || key == "commit") {
    out.checksum = value;
  } else if (key == "keep-git-dir") {
    return flag(out.keep_git_dir);
  } else if (key == "submodules") {
    return flag(out.submodules);
  } else if (key == "mtime") {
    if (value != "checkout" && value != "commit") {
      return InvalidArgument("invalid mtime value: ", Quote(value), " (must be \"checkout\" or \"commit\")");
    }
    out.mtime = value;
  } else if (key == "fetch-by-commit") {
    std::optional<bool> parsed;
    BK_RETURN_IF_ERROR(flag(parsed));
    out.fetch_by_commit = *parsed;
  } else if (key != "tag" && key != "branch") {
    return InvalidArgument("unexpected query ", Quote(key));
  }
  return absl::OkStatus();
}

absl::Status ApplyQuery(const GoUrl::Query& query, GitContext& out) {
  std::string tag, branch;
  for (const auto& [key, values] : query) {
    if (values.size() > 1) return InvalidArgument("query ", Quote(key), " has multiple values");
    bool may_be_empty = key == "submodules" || key == "keep-git-dir" || key == "fetch-by-commit";
    if (values[0].empty() && !may_be_empty) return InvalidArgument("query ", Quote(key), " has no value");
    BK_RETURN_IF_ERROR(ApplyParameter(key, values[0], out));
    if (key == "tag") tag = values[0];
    if (key == "branch") branch = values[0];
  }
  if (!tag.empty()) BK_RETURN_IF_ERROR(SetOnce("ref", out.ref, WithPrefix("refs/tags/", tag)));
  if (branch.empty()) return absl::OkStatus();
  if (!tag.empty()) return InvalidArgument("branch conflicts with tag");
  return SetOnce("ref", out.ref, WithPrefix("refs/heads/", branch));
}

}  // namespace

bool IsGitTransport(std::string_view text) {
  if (std::string protocol = Protocol(text); !protocol.empty()) return IsSupported(protocol);
  ScpStyle scp;
  return ParseScp(text, scp);
}

GitUrl GitUrl::From(const GoUrl& url) {
  GitUrl out;
  out.scheme = url.scheme;
  out.host = url.host;
  out.path = url.path;
  out.user = url.user;
  out.query = url.query();
  SetFragment(url.fragment, out);
  GoUrl bare = url;
  bare.fragment.clear();
  bare.raw_query.clear();
  out.remote = bare.str();
  return out;
}

absl::StatusOr<GitUrl> GitUrl::Parse(std::string_view text) {
  if (std::string protocol = Protocol(text); !protocol.empty()) {
    if (!IsSupported(protocol)) return InvalidArgument(protocol, ": invalid protocol");
    BK_TRY(GoUrl url, GoUrl::Parse(text));
    return From(url);
  }
  ScpStyle scp;
  if (!ParseScp(text, scp)) return InvalidArgument("unknown protocol");
  GitUrl out;
  out.scheme = "ssh";
  out.host = scp.host;
  out.path = scp.path;
  out.user = {scp.user, std::nullopt};
  GoUrl query;
  query.raw_query = scp.query;
  out.query = query.query();
  SetFragment(scp.fragment, out);
  out.remote = StrCat(scp.user, "@", scp.host, ":", scp.path);
  return out;
}

absl::StatusOr<GitContext> GitContext::Parse(std::string_view text, bool* is_git) {
  if (is_git != nullptr) *is_git = false;
  if (text.starts_with("./") || text.starts_with("../")) return InvalidArgument("invalid argument");
  GitContext out;
  GitUrl url;
  if (text.starts_with("github.com/")) {
    BK_TRY(GoUrl parsed, GoUrl::Parse(text));
    parsed.scheme = "https";
    url = GitUrl::From(parsed);
    out.indistinguishable_from_local = true;
  } else {
    BK_ASSIGN(url, GitUrl::Parse(text));
    out.unencrypted_tcp = url.scheme == "http" || url.scheme == "git";
    // Other things are fetched over HTTP as well.
    bool http = url.scheme == "http" || url.scheme == "https";
    if (http && !url.path.ends_with(".git")) return InvalidArgument("invalid argument");
  }
  if (is_git != nullptr) *is_git = true;
  out.remote = url.remote;
  if (out.indistinguishable_from_local) out.remote = out.remote.substr(std::min(out.remote.size(), out.remote.find("://") + 3));
  out.ref = url.ref;
  out.subdir = url.subdir;
  out.short_name = out.remote.substr(out.remote.rfind('/') + 1);
  if (out.short_name.ends_with(".git")) out.short_name.resize(out.short_name.size() - 4);
  BK_RETURN_IF_ERROR(ApplyQuery(url.query, out));
  return out;
}

std::string GitContext::Fragment(bool with_subdir) const {
  std::string dir = with_subdir ? CleanPath("/" + subdir).substr(1) : "";
  std::string out = remote;
  if (!ref.empty() || !dir.empty()) out += "#" + ref;
  if (!dir.empty()) out += ":" + dir;
  return out;
}

}  // namespace bk
