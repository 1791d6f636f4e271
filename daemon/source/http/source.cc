// Downloads as a source: what is asked of the server, and when an earlier download is taken again.
#include <fcntl.h>
#include <unistd.h>

#include "base/go_url.h"
#include "base/guarded.h"
#include "base/keyed_lock.h"
#include "base/os/root_path.h"
#include "daemon/source/file_name.h"
#include "daemon/source/http/date.h"
#include "daemon/source/http/http.h"
#include "daemon/source/http/key.h"
#include "daemon/source/http/payload.h"
#include "daemon/source/http/transfer.h"
#include "daemon/source/session_memory.h"

namespace bk::source {
namespace {

using http::Facts;
using http::Headers;
using http::Payload;
using http::Resolved;
using registry::HttpResponse;

constexpr char kSessionHost[] = "buildkit-session";  // a place of the client, reached through its session
constexpr size_t kMaxKnown = 16;                     // etags of one request
constexpr size_t kMaxSuffixBytes = 4 << 10;

// A download with the record that holds it.
struct Fetched {
  Resolved resolved;
  cache::ImmutablePtr ref;
};

// Records of earlier downloads of the same request, by etag.
using Known = std::map<std::string, cache::ImmutablePtr>;

absl::StatusOr<Fetched> Reuse(const cache::ImmutablePtr& ref) {
  BK_TRY(Digest digest, Digest::Parse(ref->GetValue(http::kDigestValue)));
  return Fetched{{std::move(digest), ref->GetValue(http::kFilenameValue), http::ParseDate(ref->GetValue(http::kModifiedValue))}, ref};
}

// What all instances of one daemon share.
class Downloads {
 public:
  explicit Downloads(const HttpSourceOptions& options) : options_(options), told_(options.sessions) {}
  // The file as the build's frontend was told of it, else as the server has it now. With a pinned checksum only that content,
  // from the cache if it is there.
  absl::StatusOr<Fetched> Fetch(const CancelToken& cancel, const cache::FetchContext& context, const HttpIdentifier& id);
  // The same for a frontend: the build will get what it is told.
  absl::StatusOr<Fetched> Tell(const CancelToken& cancel, const cache::FetchContext& context, const HttpIdentifier& id) {
    BK_TRY(Fetched fetched, Fetch(cancel, context, id));
    told_.Remember(cancel, context.session_ids, http::RequestKeyOf(id).str(), fetched);
    return fetched;
  }

 private:
  absl::StatusOr<Fetched> FetchAlone(const CancelToken& cancel, const cache::FetchContext& context, const HttpIdentifier& id);
  absl::StatusOr<Fetched> FromSession(const CancelToken& cancel, const cache::FetchContext& context, const HttpIdentifier& id, const GoUrl& url);
  absl::StatusOr<Headers> HeadersOf(const CancelToken& cancel, const cache::FetchContext& context, const HttpIdentifier& id, const GoUrl& url);
  absl::StatusOr<std::string> Secret(const CancelToken& cancel, const cache::FetchContext& context, const std::string& name);
  Known FindKnown(const CancelToken& cancel, const HttpIdentifier& id);
  absl::StatusOr<Fetched> FindKept(const CancelToken& cancel, const HttpIdentifier& id);
  std::optional<cache::ImmutablePtr> AskHead(const CancelToken& cancel, const HttpIdentifier& id, Headers headers, const Known& known);

  const HttpSourceOptions options_;
  SessionMemory<Fetched> told_;
  KeyedLock requests_;  // one thread works on a request: the next one finds its result
};

absl::StatusOr<Fetched> Downloads::Fetch(const CancelToken& cancel, const cache::FetchContext& context, const HttpIdentifier& id) {
  const std::string key = http::RequestKeyOf(id).str();
  auto told = told_.Find(context.session_ids, key);
  if (told && (id.checksum.empty() || id.checksum == told->resolved.digest)) return *std::move(told);
  BK_TRY(KeyedLock::Held alone, requests_.Acquire(cancel, key));
  return FetchAlone(cancel, context, id);
}

absl::StatusOr<std::string> Downloads::Secret(const CancelToken& cancel, const cache::FetchContext& context, const std::string& name) {
  std::string value;
  BK_RETURN_IF_ERROR(session::Any(cancel, *options_.sessions, context.session_ids, [&](const std::shared_ptr<session::Session>& client) -> absl::Status {
    BK_ASSIGN(value, client->GetSecret(cancel, name));
    return absl::OkStatus();
  }));
  return value;
}

absl::StatusOr<Headers> Downloads::HeadersOf(const CancelToken& cancel, const cache::FetchContext& context, const HttpIdentifier& id, const GoUrl& url) {
  Headers headers(id.headers.begin(), id.headers.end());
  std::string authorization;
  if (!id.auth_header_secret.empty()) {
    auto secret = Secret(cancel, context, id.auth_header_secret);
    if (!secret.ok()) return Annotate(secret.status(), "failed to retrieve HTTP auth secret " + id.auth_header_secret);
    authorization = *std::move(secret);
  } else {
    if (auto header = Secret(cancel, context, "HTTP_AUTH_HEADER_" + url.hostname()); header.ok()) authorization = *std::move(header);
    if (auto token = Secret(cancel, context, "HTTP_AUTH_TOKEN_" + url.hostname()); token.ok()) authorization = "Bearer " + *token;
    BK_RETURN_IF_ERROR(cancel.Check());
  }
  if (!authorization.empty()) headers.emplace_back("Authorization", authorization);
  return headers;
}

Known Downloads::FindKnown(const CancelToken& cancel, const HttpIdentifier& id) {
  Known known;
  std::vector<std::string> ids = options_.cache->FindCommitted(http::IndexOf(id));
  if (ids.size() > kMaxKnown) ids.erase(ids.begin(), ids.end() - kMaxKnown);
  for (const std::string& one : ids) {
    auto ref = options_.cache->Get(cancel, one);
    if (!ref.ok()) continue;
    if (std::string etag = (*ref)->GetValue(http::kEtagValue); !etag.empty()) known[etag] = *ref;
  }
  return known;
}

// The last download of the request, or the one with its checksum: what there is without asking.
absl::StatusOr<Fetched> Downloads::FindKept(const CancelToken& cancel, const HttpIdentifier& id) {
  std::vector<std::string> ids = options_.cache->FindCommitted(http::IndexOf(id));
  for (auto one = ids.rbegin(); one != ids.rend(); ++one) {
    auto ref = options_.cache->Get(cancel, *one);
    if (!ref.ok() || (*ref)->GetValue(http::kFilenameValue).empty()) continue;
    bool pinned = !id.checksum.empty();
    if (pinned && ((*ref)->GetValue(http::kDigestValue) != id.checksum.str() || (*ref)->GetValue(http::kFilenameValue) != DownloadName(id.url, id.filename, ""))) continue;
    return Reuse(*ref);
  }
  return cache::Offline(StrCat(RedactCredentials(id.url), id.checksum.empty() ? "" : " with checksum " + id.checksum.str(), " is not among the downloads that are kept"));
}

// The download that `answer` says is still true. A 304 that names no tag means the only one that was asked about.
std::optional<cache::ImmutablePtr> Match(const HttpResponse& answer, const Known& known) {
  std::string etag = http::StrongTag(answer.Header("etag"));
  if (etag.empty() && answer.status == 304 && known.size() == 1) return known.begin()->second;
  auto found = known.find(etag);
  return found == known.end() ? std::nullopt : std::optional(found->second);
}

std::string TagsOf(const Known& known) {
  std::string tags;
  for (const auto& [etag, ref] : known) tags += (tags.empty() ? "" : ", ") + etag;
  return tags;
}

// Servers that know no If-None-Match still say the tag; some give another one to those who do not take gzip.
std::optional<cache::ImmutablePtr> Downloads::AskHead(const CancelToken& cancel, const HttpIdentifier& id, Headers headers, const Known& known) {
  registry::HttpRequest head;
  head.method = "HEAD";
  head.url = id.url;
  head.headers = std::move(headers);
  head.headers.emplace_back("If-None-Match", TagsOf(known));
  head.headers.emplace_back("Accept-Encoding", "gzip");
  auto answer = options_.client->Do(cancel, head);
  if (!answer.ok() || (answer->status != 200 && answer->status != 304)) return std::nullopt;
  auto match = Match(*answer, known);
  std::string disposition = answer->Header("content-disposition");
  // The same bytes by another name are another tree.
  if (match && !disposition.empty() && DownloadName(id.url, id.filename, disposition) != (*match)->GetValue(http::kFilenameValue)) return std::nullopt;
  return match;
}

absl::StatusOr<Fetched> Downloads::FetchAlone(const CancelToken& cancel, const cache::FetchContext& context, const HttpIdentifier& id) {
  BK_TRY(GoUrl url, GoUrl::Parse(id.url));
  if (url.host == kSessionHost) return FromSession(cancel, context, id, url);
  if (context.offline) return FindKept(cancel, id);
  Known known = FindKnown(cancel, id);
  for (const auto& [etag, ref] : known) {
    bool pinned = !id.checksum.empty() && ref->GetValue(http::kDigestValue) == id.checksum.str();
    if (pinned && ref->GetValue(http::kFilenameValue) == DownloadName(id.url, id.filename, "")) return Reuse(ref);
  }
  BK_TRY(Headers headers, HeadersOf(cancel, context, id, url));
  if (!id.checksum.empty()) known.clear();
  if (!known.empty()) {
    if (auto match = AskHead(cancel, id, headers, known)) return Reuse(*match);
    BK_RETURN_IF_ERROR(cancel.Check());
  }
  http::Transfer transfer(options_, id, context, std::move(headers));
  BK_TRY(HttpResponse answer, transfer.Run(cancel, TagsOf(known)));
  if (answer.status == 304) {
    auto match = Match(answer, known);
    if (!match) return Unknown("invalid not-modified ETag: ", answer.Header("etag"));
    return Reuse(*match);
  }
  if (answer.status > 299) return Unknown("invalid response status ", answer.status);
  Facts facts{http::StrongTag(answer.Header("etag")), answer.Header("last-modified"), DownloadName(id.url, id.filename, answer.Header("content-disposition"))};
  auto modified = http::ParseDate(facts.last_modified);
  BK_TRY(cache::ImmutablePtr ref, transfer.payload()->Commit(cancel, facts, modified, id.checksum));
  return Fetched{{transfer.payload()->digest(), facts.filename, modified}, ref};
}

absl::StatusOr<Fetched> Downloads::FromSession(const CancelToken& cancel, const cache::FetchContext& context, const HttpIdentifier& id, const GoUrl& url) {
  auto task = context.progress.Start("uploading " + DownloadName(id.url, id.filename, ""), "uploading");
  std::unique_ptr<Payload> payload;
  BK_RETURN_IF_ERROR(session::Any(cancel, *options_.sessions, context.session_ids, [&](const std::shared_ptr<session::Session>& client) -> absl::Status {
    int64_t received = 0;
    payload.reset();
    BK_ASSIGN(payload, Payload::Create(cancel, context, options_, id));
    return client->PullUpload(cancel, url.host, url.path, [&](std::string_view bytes) {
      received += static_cast<int64_t>(bytes.size());
      task.Update(received, 0);
      return payload->Write(bytes);
    });
  }));
  Facts facts{"", "", DownloadName(id.url, id.filename, ""), false};
  BK_TRY(cache::ImmutablePtr ref, payload->Commit(cancel, facts, std::nullopt, id.checksum));
  return Fetched{{payload->digest(), facts.filename, std::nullopt}, ref};
}

class HttpInstance final : public SourceInstance {
 public:
  HttpInstance(Downloads* downloads, HttpIdentifier id) : downloads_(downloads), id_(std::move(id)) {}

  absl::StatusOr<SourceKey> CacheKey(const CancelToken& cancel, const cache::FetchContext& context, int) override {
    Resolved resolved{id_.checksum, DownloadName(id_.url, id_.filename, ""), std::nullopt};
    if (id_.checksum.empty()) {
      BK_TRY(Fetched fetched, downloads_->Fetch(cancel, context, id_));
      resolved = fetched.resolved;
      fetched_.With([&](auto& kept) { kept = std::move(fetched); });
    }
    return SourceKey{http::CacheKeyOf(id_, resolved).str(), resolved.digest.str(), true};
  }

  absl::StatusOr<cache::ImmutablePtr> Snapshot(const CancelToken& cancel, const cache::FetchContext& context) override {
    if (auto kept = fetched_.With([](auto& kept) { return std::exchange(kept, std::nullopt); })) return kept->ref;
    BK_TRY(Fetched fetched, downloads_->Fetch(cancel, context, id_));
    return fetched.ref;
  }

 private:
  Downloads* const downloads_;
  const HttpIdentifier id_;
  Guarded<std::optional<Fetched>> fetched_;  // by the key; held so that nothing prunes it before it is wanted
};

// The digest of the downloaded file followed by `request.suffix`.
absl::StatusOr<Digest> ChecksumOf(const CancelToken& cancel, const cache::FetchContext& context, const Fetched& fetched, const HttpChecksumRequest& request) {
  constexpr size_t kPieceBytes = 1 << 20;
  BK_TRY(http::Checksum checksum, http::Checksum::Create(request.algorithm));
  BK_TRY(auto active, fetched.ref->Mount(cancel, context, true));
  BK_TRY(os::TempMount mount, os::TempMount::Make(active->mounts()));
  BK_TRY(os::RootDir root, os::RootDir::Open(mount.path()));
  BK_TRY(os::UniqueFd file, root.OpenAt(fetched.resolved.filename, O_RDONLY | O_NOFOLLOW | O_CLOEXEC));
  std::string piece(kPieceBytes, '\0');
  while (true) {
    BK_RETURN_IF_ERROR(cancel.Check());
    ssize_t n = read(file.get(), piece.data(), piece.size());
    if (n < 0) return ErrnoError(errno, "read " + fetched.resolved.filename);
    if (n == 0) break;
    checksum.Update({piece.data(), static_cast<size_t>(n)});
  }
  checksum.Update(request.suffix);
  return checksum.Finish();
}

class HttpSource final : public Source {
 public:
  explicit HttpSource(const HttpSourceOptions& options) : downloads_(options) {}

  absl::StatusOr<std::unique_ptr<SourceInstance>> Resolve(const SourceRequest& request) override {
    BK_TRY(HttpIdentifier id, Parse(request));
    return std::make_unique<HttpInstance>(&downloads_, std::move(id));
  }

  absl::StatusOr<ResolvedHttp> ResolveHttp(const CancelToken& cancel, const cache::FetchContext& context, const SourceRequest& request, const std::optional<HttpChecksumRequest>& checksum) override {
    if (checksum && checksum->suffix.size() > kMaxSuffixBytes) return InvalidArgument("http checksum request suffix exceeds max size ", kMaxSuffixBytes);
    BK_TRY(HttpIdentifier id, Parse(request));
    if (!id.checksum.empty() && !checksum) return ResolvedHttp{id.checksum, DownloadName(id.url, id.filename, ""), std::nullopt, {}};
    BK_TRY(Fetched fetched, downloads_.Tell(cancel, context, id));
    ResolvedHttp out{fetched.resolved.digest, fetched.resolved.filename, fetched.resolved.last_modified, {}};
    if (checksum) BK_ASSIGN(out.checksum, ChecksumOf(cancel, context, fetched, *checksum));
    return out;
  }

 private:
  static absl::StatusOr<HttpIdentifier> Parse(const SourceRequest& request) {
    BK_TRY(Identifier identifier, ParseIdentifier(request.identifier, request.attrs));
    auto* id = std::get_if<HttpIdentifier>(&identifier);
    if (id == nullptr) return InvalidArgument("invalid http identifier ", request.identifier);
    if (id->signature) return Unimplemented("verifying signatures of downloads (http.sig.pubkey) is not built yet");
    BK_RETURN_IF_ERROR(CheckOwner(id->uid, id->gid));
    return std::move(*id);
  }

  Downloads downloads_;
};

}  // namespace

std::unique_ptr<Source> MakeHttpSource(const HttpSourceOptions& options) { return std::make_unique<HttpSource>(options); }

}  // namespace bk::source
