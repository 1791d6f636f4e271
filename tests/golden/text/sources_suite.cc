// Git remotes and HTTP addresses as build contexts and sources name them.
#include "daemon/source/file_name.h"
#include "base/git_url.h"
#include "daemon/source/identifier.h"
#include "tests/golden/text/suites.h"

namespace bk::golden::text {
namespace {

using source::GitIdentifier;
using source::HttpIdentifier;

constexpr char kGit[] = "git://";

Json ErrorJson(const absl::Status& status) { return {{"error", Message(status)}}; }

Json ShowUrl(const absl::StatusOr<GitUrl>& url) {
  if (!url.ok()) return ErrorJson(url.status());
  Json out = {{"host", url->host}, {"path", url->path}, {"remote", url->remote}, {"scheme", url->scheme}};
  if (!url->query.empty()) out["query"] = url->query;
  if (url->has_fragment) out["opts"] = {{"ref", url->ref}, {"subdir", url->subdir}};
  if (url->user.has_value()) out["user"] = url->user->name;
  if (url->user.has_value() && url->user->password.has_value()) out["password"] = *url->user->password;
  return out;
}

Json ShowContext(const absl::StatusOr<GitContext>& context, bool is_git) {
  Json out = context.ok() ? Json::object() : ErrorJson(context.status());
  out["is_git"] = is_git;
  if (!context.ok()) return out;
  out["checksum"] = context->checksum;
  out["fetch_by_commit"] = context->fetch_by_commit;
  out["indistinguishable_from_local"] = context->indistinguishable_from_local;
  out["mtime"] = context->mtime;
  out["ref"] = context->ref;
  out["remote"] = context->remote;
  out["short_name"] = context->short_name;
  out["subdir"] = context->subdir;
  out["unencrypted_tcp"] = context->unencrypted_tcp;
  if (context->keep_git_dir.has_value()) out["keep_git_dir"] = *context->keep_git_dir;
  if (context->submodules.has_value()) out["submodules"] = *context->submodules;
  return out;
}

absl::StatusOr<source::Identifier> Identify(const std::string& text, const Json& attributes) {
  return source::ParseIdentifier(text, attributes.is_object() ? attributes.get<source::Attributes>() : source::Attributes());
}

absl::Status CheckGitUrl(const std::string& url, const Json& expect) {
  bool is_git = false;
  auto context = GitContext::Parse(url, &is_git);
  BK_RETURN_IF_ERROR(ExpectJson("git_ref", ShowContext(context, context.ok() || is_git), expect.at("git_ref")));
  BK_RETURN_IF_ERROR(ExpectJson("git_url", ShowUrl(GitUrl::Parse(url)), expect.at("git_url")));
  auto fragment = [&](bool with_subdir) { return context.ok() ? context->Fragment(with_subdir) : url; };
  Json fragments = {{"ok", context.ok()}, {"with_subdir", fragment(true)}, {"without_subdir", fragment(false)}};
  BK_RETURN_IF_ERROR(ExpectJson("fragment_format", fragments, expect.at("fragment_format")));
  BK_RETURN_IF_ERROR(ExpectJson("is_git_transport", IsGitTransport(url), expect.at("is_git_transport")));
  BK_RETURN_IF_ERROR(ExpectText("redacted", RedactCredentials(url), expect.at("redacted").get<std::string>()));
  auto identifier = Identify(kGit + url, {});
  if (expect.contains("source_error")) return ExpectText("source_error", Message(identifier.status()), expect.at("source_error").get<std::string>());
  BK_RETURN_IF_ERROR(identifier);
  const auto& git = std::get<GitIdentifier>(*identifier);
  Json got = {{"ref", git.ref}, {"remote", git.remote}, {"string", source::CanonicalText(*identifier)}, {"subdir", git.subdir}};
  return ExpectJson("source", got, expect.at("source"));
}

// Fields without a value are left out.
Json ShowGit(const GitIdentifier& git, const std::string& text) {
  Json out = {{"string", text}};
  for (const auto& [key, value] : {std::pair("Ref", git.ref), {"Remote", git.remote}, {"Subdir", git.subdir}, {"Checksum", git.checksum}, {"MTime", git.mtime},
                                   {"AuthTokenSecret", git.auth_token_secret}, {"AuthHeaderSecret", git.auth_header_secret}, {"MountSSHSock", git.mount_ssh_sock},
                                   {"KnownSSHHosts", git.known_ssh_hosts}, {"Bundle", git.bundle}}) {
    if (!value.empty()) out[key] = value;
  }
  for (const auto& [key, value] : {std::pair("KeepGitDir", git.keep_git_dir), {"SkipSubmodules", git.skip_submodules}, {"FetchByCommit", git.fetch_by_commit}, {"CheckoutBundle", git.checkout_bundle}}) {
    if (value) out[key] = true;
  }
  return out;
}

Json ShowHttp(const HttpIdentifier& http) {
  Json headers, signature;
  for (const auto& [name, value] : http.headers) headers.push_back({{"Name", name}, {"Value", value}});
  if (http.signature.has_value()) signature = {{"PubKey", http.signature->public_key}, {"Signature", http.signature->signature}};
  return {{"AuthHeaderSecret", http.auth_header_secret},
          {"Checksum", http.checksum.empty() ? "" : http.checksum.str()},
          {"Filename", http.filename},
          {"GID", http.gid},
          {"Header", headers},
          {"Perm", http.perm},
          {"TLS", http.tls},
          {"UID", http.uid},
          {"URL", http.url},
          {"VerifySignature", signature}};
}

absl::Status CheckSource(const Json& input, const Json& expect) {
  auto identifier = Identify(input.at("source_op").get<std::string>(), input.at("attrs"));
  if (!identifier.ok()) return ExpectJson("source", ErrorJson(identifier.status()), expect);
  if (const auto* http = std::get_if<HttpIdentifier>(&*identifier)) return ExpectJson("source", ShowHttp(*http), expect);
  return ExpectJson("source", ShowGit(std::get<GitIdentifier>(*identifier), source::CanonicalText(*identifier)), expect);
}

}  // namespace

absl::Status RunGitUrl(const Json& c, const std::string&) {
  const Json& input = c.at("input");
  if (input.contains("source_op")) return CheckSource(input, c.at("expect"));
  return CheckGitUrl(input.at("url").get<std::string>(), c.at("expect"));
}

absl::Status RunHttpUrl(const Json& c, const std::string&) {
  const Json &input = c.at("input"), &expect = c.at("expect");
  if (input.contains("source_op")) return CheckSource(input, expect);
  auto text = [&](const char* key) { return Text(input.at(key)); };
  return ExpectText("filename", source::DownloadName(text("url"), text("http.filename"), text("content_disposition")), Text(expect.at("filename")));
}

}  // namespace bk::golden::text
