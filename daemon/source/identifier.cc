#include "daemon/source/identifier.h"

#include <nlohmann/json.hpp>

#include "base/go_parse.h"
#include "base/path.h"
#include "daemon/source/file_name.h"
#include "base/git_url.h"

namespace bk::source {
namespace {

const char* JsonTypeName(const nlohmann::json& value) {
  if (value.is_string()) return "string";
  if (value.is_number()) return "number";
  if (value.is_boolean()) return "bool";
  return "object";
}

absl::StatusOr<StringList> ParseList(const std::string& text) {
  auto json = nlohmann::json::parse(text, nullptr, false);
  if (json.is_discarded()) return InvalidArgument("unexpected end of JSON input");
  if (json.is_null()) return StringList();
  if (!json.is_array()) return InvalidArgument("json: cannot unmarshal ", JsonTypeName(json), " into Go value of type []string");
  std::vector<std::string> out;
  for (const auto& item : json) {
    if (!item.is_string() && !item.is_null()) return InvalidArgument("json: cannot unmarshal ", JsonTypeName(item), " into Go value of type string");
    out.push_back(item.is_string() ? item.get<std::string>() : "");
  }
  return StringList(std::move(out));
}

absl::StatusOr<int> ParseLayerLimit(const std::string& text) {
  auto parsed = ParseInt(text);
  if (!parsed.ok()) {
    std::string message = Message(parsed.status());
    if (size_t at = message.find("strconv.ParseInt"); at != std::string::npos) message.replace(at, 16, "strconv.Atoi");
    return InvalidArgument("invalid layer limit ", text, ": ", message);
  }
  if (*parsed <= 0 || *parsed > INT32_MAX) return InvalidArgument("invalid layer limit ", text);
  return static_cast<int>(*parsed);
}

using Setter = std::function<absl::Status(const std::string& value)>;
// Calls the setter of each attribute that has one.
absl::Status Apply(const Attributes& attributes, const std::map<std::string, Setter>& setters) {
  for (const auto& [key, value] : attributes) {
    if (auto found = setters.find(key); found != setters.end()) BK_RETURN_IF_ERROR(found->second(value));
  }
  return absl::OkStatus();
}

Setter Text(std::string& field) {
  return [&field](const std::string& value) {
    field = value;
    return absl::OkStatus();
  };
}
Setter TrueOnly(bool& field) {
  return [&field](const std::string& value) {
    field = value == "true";
    return absl::OkStatus();
  };
}
Setter Integer(int64_t& field) {
  return [&field](const std::string& value) -> absl::Status {
    BK_ASSIGN(field, ParseInt(value, 0));
    return absl::OkStatus();
  };
}
Setter List(StringList& field) {
  return [&field](const std::string& value) -> absl::Status {
    BK_ASSIGN(field, ParseList(value));
    return absl::OkStatus();
  };
}
Setter LayerLimit(std::optional<int>& field) {
  return [&field](const std::string& value) -> absl::Status {
    BK_ASSIGN(field, ParseLayerLimit(value));
    return absl::OkStatus();
  };
}
Setter RecordTypeText(std::string& field) {
  return [&field](const std::string& value) -> absl::Status {
    BK_RETURN_IF_ERROR(ParseRecordType(value));
    field = value;
    return absl::OkStatus();
  };
}

absl::StatusOr<Identifier> ParseImage(const std::string& rest, const Attributes& attributes) {
  ImageIdentifier id;
  BK_ASSIGN(id.reference, SourceReference::ParseWithObject(rest));
  BK_RETURN_IF_ERROR(Apply(attributes, {
      {"image.resolvemode", [&](const std::string& value) {
         if (value != "" && value != "default" && value != "pull" && value != "local") return InvalidArgument("invalid resolvemode: ", value);
         id.mode = value == "pull" ? ResolveMode::kForcePull : value == "local" ? ResolveMode::kPreferLocal : ResolveMode::kDefault;
         return absl::OkStatus();
       }},
      {"image.recordtype", RecordTypeText(id.record_type)},
      {"image.layerlimit", LayerLimit(id.layer_limit)},
      {"image.checksum", [&](const std::string& value) {
         auto digest = Digest::Parse(value);
         if (digest.ok()) id.checksum = *digest;
         return Annotate(digest.status(), "invalid image checksum " + value);
       }},
  }));
  return id;
}

absl::StatusOr<Identifier> ParseOciLayout(const std::string& rest, const Attributes& attributes) {
  OciLayoutIdentifier id;
  BK_ASSIGN(id.reference, SourceReference::ParseWithObject(rest));
  BK_RETURN_IF_ERROR(Apply(attributes, {{"oci.session", Text(id.session_id)}, {"oci.store", Text(id.store_id)}, {"oci.layerlimit", LayerLimit(id.layer_limit)}}));
  return id;
}

absl::StatusOr<Identifier> ParseBlob(const std::string& rest, const Attributes& attributes, bool oci_layout) {
  BlobIdentifier id;
  id.oci_layout = oci_layout;
  BK_ASSIGN(id.reference, SourceReference::ParseWithObject(rest));
  std::map<std::string, Setter> setters = {
      {"http.filename", [&](const std::string& value) {
         id.filename = SafeFileName(value);
         return absl::OkStatus();
       }},
      {"http.perm", Integer(id.perm)},
      {"http.uid", Integer(id.uid)},
      {"http.gid", Integer(id.gid)},
      {"image.recordtype", RecordTypeText(id.record_type)},
  };
  if (oci_layout) {
    setters["oci.session"] = Text(id.session_id);
    setters["oci.store"] = Text(id.store_id);
  }
  BK_RETURN_IF_ERROR(Apply(attributes, setters));
  if (oci_layout && id.store_id.empty()) return InvalidArgument("oci-layout blob source requires store id");
  return id;
}

absl::StatusOr<Identifier> ParseLocal(const std::string& rest, const Attributes& attributes) {
  LocalIdentifier id;
  id.name = rest;
  BK_RETURN_IF_ERROR(Apply(attributes, {
      {"local.session", [&](const std::string& value) {
         size_t colon = value.find(':');
         id.session_id = colon == std::string::npos ? value : value.substr(colon + 1);
         if (colon != std::string::npos) id.name = value.substr(0, colon) + "-" + id.name;
         return absl::OkStatus();
       }},
      {"local.includepattern", List(id.include_patterns)},
      {"local.excludepatterns", List(id.exclude_patterns)},
      {"local.followpaths", List(id.follow_paths)},
      {"local.sharedkeyhint", Text(id.shared_key_hint)},
      {"local.differ", [&](const std::string& value) {
         id.differ_none = value == "none";
         return absl::OkStatus();
       }},
      {"local.metadatatransfer", [&](const std::string& value) {
         auto parsed = ParseBool(value);
         if (parsed.ok()) id.metadata_only = *parsed;
         return Annotate(parsed.status(), "invalid value for local.metadatatransfer " + Quote(value));
       }},
      {"local.metadatatransferexclude", List(id.metadata_exceptions)},
  }));
  return id;
}

// Where bundles may lie; the digest must be one that the import can check.
absl::Status CheckBundleLocator(const std::string& locator) {
  size_t separator = locator.find("://");
  if (separator == std::string::npos || separator == 0) return InvalidArgument("failed to parse git.bundle locator ", Quote(locator), ": missing scheme");
  std::string scheme = locator.substr(0, separator);
  if (scheme != "docker-image+blob" && scheme != "oci-layout+blob") {
    return InvalidArgument("git.bundle locator scheme ", Quote(scheme), " is not supported; expected \"docker-image+blob\" or \"oci-layout+blob\"");
  }
  std::string prefix = StrCat("failed to parse git.bundle locator ", Quote(locator));
  auto ref = SourceReference::Parse(std::string_view(locator).substr(separator + 3));
  if (!ref.ok()) return Annotate(ref.status(), prefix);
  auto digest = Digest::Parse(ref->digest_text());
  if (!digest.ok()) return Annotate(digest.status(), prefix + ": invalid digest");
  if (digest->algorithm() != "sha256") {
    return InvalidArgument("git.bundle locator ", Quote(locator), ": digest algorithm ", Quote(digest->algorithm()), " not supported, expected \"sha256\"");
  }
  return absl::OkStatus();
}

bool IsCommitSha(std::string_view text) {
  return (text.size() == 40 || text.size() == 64) && text.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

absl::Status CheckGit(const GitIdentifier& id) {
  if (id.ref.starts_with('-')) return InvalidArgument("invalid git ref ", Quote(id.ref));
  if (!id.bundle.empty()) {
    BK_RETURN_IF_ERROR(CheckBundleLocator(id.bundle));
    if (id.checksum.empty()) return InvalidArgument("git.bundle requires git.checksum to be set");
    if (IsCommitSha(id.ref) && !id.ref.starts_with(id.checksum)) {
      return InvalidArgument("expected checksum to match ", id.checksum, ", got ", id.ref);
    }
  }
  if (!id.checkout_bundle) return absl::OkStatus();
  if (id.keep_git_dir) return InvalidArgument("git.checkoutbundle is incompatible with git.keepgitdir");
  if (!id.subdir.empty()) return InvalidArgument("git.checkoutbundle is incompatible with git.subdir");
  return absl::OkStatus();
}

absl::StatusOr<Identifier> ParseGit(const std::string& rest, const Attributes& attributes) {
  GitIdentifier id;
  BK_TRY(GitUrl url, GitUrl::Parse(IsGitTransport(rest) ? rest : "https://" + rest));
  id.remote = url.remote;
  id.ref = url.ref;
  id.subdir = url.subdir;
  GitIdentifier::Signature signature;
  bool has_signature = false;
  auto signature_flag = [&](bool& field) -> Setter {
    return [&](const std::string& value) {
      has_signature = true;
      field = value == "true";
      return absl::OkStatus();
    };
  };
  BK_RETURN_IF_ERROR(Apply(attributes, {
      {"git.keepgitdir", TrueOnly(id.keep_git_dir)},
      {"git.fullurl", [&](const std::string& value) {
         id.remote = IsGitTransport(value) ? value : "https://" + value;
         return absl::OkStatus();
       }},
      {"git.authheadersecret", Text(id.auth_header_secret)},
      {"git.authtokensecret", Text(id.auth_token_secret)},
      {"git.knownsshhosts", Text(id.known_ssh_hosts)},
      {"git.mountsshsock", Text(id.mount_ssh_sock)},
      {"git.checksum", Text(id.checksum)},
      {"git.skipsubmodules", TrueOnly(id.skip_submodules)},
      {"git.mtime", Text(id.mtime)},
      {"git.fetchbycommit", TrueOnly(id.fetch_by_commit)},
      {"git.bundle", Text(id.bundle)},
      {"git.checkoutbundle", TrueOnly(id.checkout_bundle)},
      {"oci.session", Text(id.bundle_session_id)},
      {"oci.store", Text(id.bundle_store_id)},
      {"git.sig.pubkey", [&](const std::string& value) {
         has_signature = true;
         signature.public_key = value;
         return absl::OkStatus();
       }},
      {"git.sig.rejectexpired", signature_flag(signature.reject_expired)},
      {"git.sig.requiresignedtag", signature_flag(signature.require_signed_tag)},
      {"git.sig.ignoresignedtag", signature_flag(signature.ignore_signed_tag)},
  }));
  if (has_signature) id.signature = signature;
  BK_RETURN_IF_ERROR(CheckGit(id));
  return id;
}

absl::StatusOr<Identifier> ParseHttp(const std::string& rest, const Attributes& attributes, bool tls) {
  HttpIdentifier id;
  id.tls = tls;
  id.url = (tls ? "https://" : "http://") + rest;
  HttpIdentifier::Signature signature;
  BK_RETURN_IF_ERROR(Apply(attributes, {
      {"http.checksum", [&](const std::string& value) -> absl::Status {
         BK_ASSIGN(id.checksum, Digest::Parse(value));
         return absl::OkStatus();
       }},
      {"http.filename", Text(id.filename)},
      {"http.perm", Integer(id.perm)},
      {"http.uid", Integer(id.uid)},
      {"http.gid", Integer(id.gid)},
      {"http.authheadersecret", Text(id.auth_header_secret)},
      {"http.sig.pubkey", Text(signature.public_key)},
      {"http.sig.signature", Text(signature.signature)},
  }));
  for (const auto& [key, value] : attributes) {
    if (!key.starts_with("http.header.")) continue;
    std::string name = CanonicalHeaderName(key.substr(12));
    if (name == "Accept" || name == "User-Agent") id.headers[name] = value;
  }
  if (attributes.contains("http.sig.pubkey") || attributes.contains("http.sig.signature")) id.signature = signature;
  if (id.signature && (signature.public_key.empty() || signature.signature.empty())) {
    return InvalidArgument("http signature verification requires both pubkey and signature");
  }
  return id;
}

std::string GitText(const GitIdentifier& id) {
  std::string remote = id.remote;
  if (auto url = GitUrl::Parse(remote); url.ok()) remote = url->host + CleanPath("/" + url->path);
  std::string out = "git://" + remote;
  if (!id.ref.empty() || !id.subdir.empty()) out += "#" + id.ref;
  if (!id.subdir.empty()) out += ":" + id.subdir;
  return out;
}

}  // namespace

absl::StatusOr<std::string> SchemeOf(const std::string& identifier) {
  size_t separator = identifier.find("://");
  if (separator == std::string::npos) return InvalidArgument("failed to parse ", identifier, ": invalid");
  return identifier.substr(0, separator);
}

absl::StatusOr<cache::RecordType> ParseRecordType(const std::string& text) {
  if (text == "regular" || text.empty()) return cache::RecordType::kRegular;
  if (text == "internal") return cache::RecordType::kInternal;
  if (text == "frontend") return cache::RecordType::kFrontend;
  return InvalidArgument("invalid record type ", text);
}

absl::StatusOr<Identifier> ParseIdentifier(const std::string& identifier, const Attributes& attributes) {
  BK_TRY(std::string scheme, SchemeOf(identifier));
  std::string rest = identifier.substr(scheme.size() + 3);
  if (scheme == "docker-image") return ParseImage(rest, attributes);
  if (scheme == "oci-layout") return ParseOciLayout(rest, attributes);
  if (scheme == "docker-image+blob" || scheme == "oci-layout+blob") return ParseBlob(rest, attributes, scheme[0] == 'o');
  if (scheme == "local") return ParseLocal(rest, attributes);
  if (scheme == "git") return ParseGit(rest, attributes);
  if (scheme == "http" || scheme == "https") return ParseHttp(rest, attributes, scheme == "https");
  return NotFound("unknown scheme ", scheme, ": not found");
}

std::string CanonicalText(const Identifier& identifier) {
  struct Writer {
    std::string operator()(const ImageIdentifier& id) const { return "docker-image://" + id.reference.str(); }
    std::string operator()(const OciLayoutIdentifier& id) const { return "oci-layout://" + id.reference.str(); }
    std::string operator()(const BlobIdentifier& id) const { return (id.oci_layout ? "oci-layout+blob://" : "docker-image+blob://") + id.reference.str(); }
    std::string operator()(const LocalIdentifier& id) const { return "local://" + id.name; }
    std::string operator()(const GitIdentifier& id) const { return GitText(id); }
    std::string operator()(const HttpIdentifier& id) const { return id.url; }
  };
  return std::visit(Writer(), identifier);
}

}  // namespace bk::source
