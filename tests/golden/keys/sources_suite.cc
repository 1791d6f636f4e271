// keys/sources: identifiers with their attributes as values, and the cache keys of images, layouts, repositories, downloads and local directories. [SRC-050 … SRC-059, SRC-061, SRC-067, SRC-071, SRC-003, SRC-010, SRC-022 … SRC-027, LLB-053, LLB-057 … LLB-063]

#include <optional>

#include "base/os/file.h"
#include "daemon/cache/store.h"
#include "daemon/registry/registry.h"
#include "daemon/source/identifier.h"
#include "daemon/source/table.h"
#include "tests/golden/keys/suites.h"
#include "tests/unit/support/fake_session.h"
#include "tests/unit/support/git_server.h"
#include "tests/unit/support/gzip.h"
#include "tests/unit/support/http_server.h"

namespace bk::golden::keys {
namespace {

// Values of one identifier under the reference's names; zero values are left out.
class Fields {
 public:
  void Text(const char* key, const std::string& value) {
    if (!value.empty()) out_[key] = value;
  }
  void Number(const char* key, int64_t value) {
    if (value != 0) out_[key] = value;
  }
  void Flag(const char* key, bool value) {
    if (value) out_[key] = true;
  }
  void List(const char* key, const source::StringList& value) {
    if (value) out_[key] = *value;
  }
  void Reference(const SourceReference& ref) { out_["Reference"] = {{"Locator", ref.locator}, {"Object", ref.object}}; }
  Json& operator[](const char* key) { return out_[key]; }
  Json Take() { return std::move(out_); }

 private:
  Json out_ = Json::object();
};

Json FieldsOf(const source::ImageIdentifier& id) {
  Fields out;
  out.Reference(id.reference);
  out.Number("ResolveMode", static_cast<int>(id.mode));
  out.Text("RecordType", id.record_type);
  if (id.layer_limit) out["LayerLimit"] = *id.layer_limit;
  out.Text("Checksum", id.checksum.str());
  return out.Take();
}

Json FieldsOf(const source::OciLayoutIdentifier& id) {
  Fields out;
  out.Reference(id.reference);
  out.Text("SessionID", id.session_id);
  out.Text("StoreID", id.store_id);
  if (id.layer_limit) out["LayerLimit"] = *id.layer_limit;
  return out.Take();
}

Json FieldsOf(const source::BlobIdentifier& id) {
  Fields out;
  out.Reference(id.reference);
  out["SchemeName"] = id.oci_layout ? "oci-layout+blob" : "docker-image+blob";
  out.Text("SessionID", id.session_id);
  out.Text("StoreID", id.store_id);
  out.Text("RecordType", id.record_type);
  out.Text("Filename", id.filename);
  out.Number("Perm", id.perm);
  out.Number("UID", id.uid);
  out.Number("GID", id.gid);
  return out.Take();
}

Json FieldsOf(const source::LocalIdentifier& id) {
  Fields out;
  out.Text("Name", id.name);
  out.Text("SessionID", id.session_id);
  out.Text("SharedKeyHint", id.shared_key_hint);
  out.List("IncludePatterns", id.include_patterns);
  out.List("ExcludePatterns", id.exclude_patterns);
  out.List("FollowPaths", id.follow_paths);
  out.List("MetadataExceptions", id.metadata_exceptions);
  out.Flag("MetadataOnly", id.metadata_only);
  if (id.differ_none) out["Differ"] = 1;
  return out.Take();
}

Json FieldsOf(const source::GitIdentifier& id) {
  Fields out;
  out.Text("Remote", id.remote);
  out.Text("Ref", id.ref);
  out.Text("Subdir", id.subdir);
  out.Text("Checksum", id.checksum);
  out.Text("MTime", id.mtime);
  out.Text("AuthTokenSecret", id.auth_token_secret);
  out.Text("AuthHeaderSecret", id.auth_header_secret);
  out.Text("MountSSHSock", id.mount_ssh_sock);
  out.Text("KnownSSHHosts", id.known_ssh_hosts);
  out.Flag("KeepGitDir", id.keep_git_dir);
  out.Flag("SkipSubmodules", id.skip_submodules);
  out.Flag("FetchByCommit", id.fetch_by_commit);
  out.Flag("CheckoutBundle", id.checkout_bundle);
  out.Text("Bundle", id.bundle);
  out.Text("BundleOCISessionID", id.bundle_session_id);
  out.Text("BundleOCIStoreID", id.bundle_store_id);
  if (id.signature) {
    Fields signature;
    signature.Text("PubKey", Base64Encode(id.signature->public_key));
    signature.Flag("RejectExpiredKeys", id.signature->reject_expired);
    signature.Flag("RequireSignedTag", id.signature->require_signed_tag);
    signature.Flag("IgnoreSignedTag", id.signature->ignore_signed_tag);
    out["VerifySignature"] = signature.Take();
  }
  return out.Take();
}

Json FieldsOf(const source::HttpIdentifier& id) {
  Fields out;
  out.Flag("TLS", id.tls);
  out.Text("URL", id.url);
  out.Text("Filename", id.filename);
  out.Text("AuthHeaderSecret", id.auth_header_secret);
  out.Text("Checksum", id.checksum.str());
  out.Number("Perm", id.perm);
  out.Number("UID", id.uid);
  out.Number("GID", id.gid);
  for (const auto& [name, value] : id.headers) out["Header"].push_back({{"Name", name}, {"Value", value}});
  if (id.signature) out["VerifySignature"] = {{"PubKey", Base64Encode(id.signature->public_key)}, {"Signature", Base64Encode(id.signature->signature)}};
  return out.Take();
}

// What the line of fixtures says a registry and a client's store have.
Json& Objects() {
  static Json registry;
  return registry;
}

Json& Files() {
  static Json http;
  return http;
}

Json& Repository() {
  static Json git;
  return git;
}

// r.git as the line of fixtures describes it, served by git's own server.
class GitFixture {
 public:
  static absl::StatusOr<std::unique_ptr<GitFixture>> Make(const std::string& dir) {
    std::string repository = dir + "/r.git";
    BK_RETURN_IF_ERROR(os::MakeDirs(repository, 0755));
    BK_RETURN_IF_ERROR(os::WriteFile(dir + "/stream", Repository()["fast_import"].get<std::string>(), 0644));
    testing::Shell(repository, "git init -q --bare .\ngit fast-import --quiet <../stream\ngit symbolic-ref HEAD " + Repository()["head"].get<std::string>());
    return std::make_unique<GitFixture>(dir);
  }
  explicit GitFixture(const std::string& dir) : server_(dir) {}
  std::string url() const { return server_.url(); }

 private:
  testing::GitDaemon server_;
};

// A path is listed itself, or as "/folder/*".
testing::TestResponse ServeFile(const testing::TestRequest& request) {
  const Json& paths = Files()["paths"];
  std::string folder = request.path.substr(0, request.path.rfind('/') + 1) + "*";
  const char* found = paths.contains(request.path) ? request.path.c_str() : paths.contains(folder) ? folder.c_str() : nullptr;
  if (found == nullptr) return {Files()["else"].get<int>(), {}, ""};
  testing::TestResponse response{200, {}, Base64Decode(paths[found].value("body", Files()["body"].get<std::string>())).value_or("")};
  const Json headers = paths[found];
  for (const auto& [key, value] : headers.items()) {
    if (key == "status") response.status = value.get<int>();
    if (key != "status" && key != "body") response.headers.emplace_back(key, value.get<std::string>());
    if (key == "Content-Encoding") response.body = testing::Gzip(response.body);
  }
  return response;
}

testing::TestResponse Serve(const testing::TestRequest& request) {
  if (!request.path.starts_with("/v2/")) return ServeFile(request);
  const Json& registry = Objects();
  size_t slash = request.path.rfind('/');
  std::string object = request.path.substr(slash + 1);
  if (registry["tags"].contains(object)) object = registry["tags"][object];
  if (!registry["objects"].contains(object)) return {404, {}, ""};
  const Json& found = registry["objects"][object];
  return {200, {{"Content-Type", found["type"].get<std::string>()}, {"Docker-Content-Digest", object}}, Base64Decode(found["data"].get<std::string>()).value_or("")};
}

Platform PlatformOf(const Json& c) {
  Platform out;
  Json given = c.value("platform", Json::object());
  out.os = given.value("OS", "");
  out.architecture = given.value("Architecture", "");
  out.variant = given.value("Variant", "");
  out.os_version = given.value("OSVersion", "");
  return out;
}

absl::Status CheckKeys(const Json& c, source::Source& source, const std::string& identifier, const source::Attributes& attrs) {
  cache::FetchContext context;
  if (!identifier.starts_with("local://")) context.session_ids = {"session"};
  if (c.contains("session")) context.session_ids = {c["session"].get<std::string>()};
  auto instance = source.Resolve({identifier, attrs, PlatformOf(c)});
  int index = 0;
  for (const Json& want : c["expect"]["keys"]) {
    auto key = instance.ok() ? (*instance)->CacheKey(CancelToken::Never(), context, index++) : absl::StatusOr<source::SourceKey>(instance.status());
    if (want.contains("error")) {
      BK_RETURN_IF_ERROR(ExpectText("key error", Message(key.status()), want["error"].get<std::string>()));
      continue;
    }
    BK_RETURN_IF_ERROR(key.status());
    Json got = {{"key", key->key}, {"pin", key->pin}, {"done", key->done}};
    BK_RETURN_IF_ERROR(ExpectJson(StrCat("key ", index - 1), got, Json{{"key", want["key"]}, {"pin", want["pin"]}, {"done", want["done"]}}));
  }
  return absl::OkStatus();
}

std::string Replace(std::string text, const std::string& what, const std::string& with) {
  for (size_t at = 0; (at = text.find(what, at)) != std::string::npos; at += with.size()) text.replace(at, what.size(), with);
  return text;
}

}  // namespace

bool IsSourceCase(const Json& line) { return line.value("kind", "") != "fixtures"; }
void NoteSourceFixtures(const Json& line) {
  Objects() = line["registry"];
  Files() = line["http"];
  Repository() = line["git"];
}

absl::Status RunSources(const Json& given, const std::string&) {
  testing::HttpServer server(&Serve);
  BK_TRY(os::TempDir temp, os::TempDir::Make("golden-sources-"));
  BK_TRY(auto store, cache::Store::Open({temp.path(), "native"}));
  content::ContentStore* content = &store->content();
  testing::FakeSessions sessions;
  for (const auto& [digest, object] : Objects()["objects"].items()) {
    sessions.client->blobs.With([&](auto& blobs) { blobs[digest] = Base64Decode(object["data"].get<std::string>()).value_or(""); });
  }
  registry::Registry client({.hosts = {}, .sessions = &sessions, .content = content, .backoff_ms = 1});
  auto sources = source::MakeSourceManager({.registry = &client, .sessions = &sessions, .cache = &store->manager(), .content = content});

  std::string text = given.dump();
  const std::string http = "http://" + server.host();
  std::unique_ptr<GitFixture> git;
  if (text.find("$GIT") != std::string::npos) BK_ASSIGN(git, GitFixture::Make(temp.path() + "/git"));
  for (const auto& [name, value] : {std::pair("$SESSION", std::string("session")), std::pair("$HTTP", http), std::pair("$GIT", git ? git->url() : "")}) text = Replace(text, name, value);
  Json c = Json::parse(Replace(text, "$REG/", server.host() + "/"));
  const Json& expect = c["expect"];
  std::string identifier = Text(c["identifier"]);
  source::Attributes attrs;
  Json attributes = c.value("attrs", Json::object());
  for (const auto& [key, value] : attributes.items()) attrs[key] = Text(value);
  auto parsed = source::ParseIdentifier(identifier, attrs);
  if (expect.contains("identifier_error")) return ExpectText("identifier_error", Message(parsed.status()), expect["identifier_error"].get<std::string>());
  BK_RETURN_IF_ERROR(parsed.status());
  Json want = expect["identifier"];
  want.erase("Platform");  // the request's, not the identifier's
  BK_RETURN_IF_ERROR(ExpectJson("identifier", std::visit([](const auto& id) { return FieldsOf(id); }, *parsed), want));
  BK_RETURN_IF_ERROR(ExpectText("string", source::CanonicalText(*parsed), Text(expect["string"])));
  if (!expect.contains("keys")) return absl::OkStatus();
  BK_TRY(source::Source * source, sources->ForIdentifier(identifier));
  return CheckKeys(c, *source, identifier, attrs);
}

}  // namespace bk::golden::keys
