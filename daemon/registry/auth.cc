#include "daemon/registry/auth.h"

#include <openssl/evp.h>
#include <openssl/rand.h>

#include <algorithm>
#include <thread>

#include <nlohmann/json.hpp>

#include "base/digest.h"
#include "base/go_url.h"
#include "daemon/solver/progress.h"

namespace bk::registry {
namespace {

constexpr std::chrono::seconds kSessionTimeout{60};
constexpr int64_t kDefaultExpirationS = 60;
constexpr int64_t kForgetAfterNs = 600'000'000'000;
constexpr uint64_t kMaxTokenBytes = 1 << 20;
constexpr size_t kKeyBytes = 32, kSignatureBytes = 64, kNonceBytes = 32;
constexpr char kClientId[] = "buildkit-client";

std::string RandomBytes(size_t count) {
  std::string out(count, '\0');
  RAND_bytes(reinterpret_cast<unsigned char*>(out.data()), static_cast<int>(count));
  return out;
}

// A token that is also cancelled when a client takes too long to answer.
class Deadline {
 public:
  Deadline(const CancelToken& parent, const char* what) : source_(parent), watcher_([this, what] {
    if (!done_.WaitFor(kSessionTimeout, [](bool& done) { return done; })) source_.Cancel(DeadlineExceeded(what, ": context deadline exceeded"));
  }) {}
  ~Deadline() {
    done_.Change([](bool& done) { done = true; });
    watcher_.join();
  }
  CancelToken token() const { return source_.token(); }

 private:
  CancelSource source_;
  Guarded<bool> done_;
  std::thread watcher_;
};

std::vector<std::string> SplitSpaces(const std::string& text) {
  std::vector<std::string> out;
  for (size_t at = 0; at < text.size();) {
    size_t end = std::min(text.find(' ', at), text.size());
    if (end > at) out.push_back(text.substr(at, end - at));
    at = end + 1;
  }
  return out;
}

std::map<std::string, std::set<std::string>> ParseScopes(const std::vector<std::string>& scopes) {
  std::map<std::string, std::set<std::string>> out;
  for (const std::string& list : scopes) {
    for (const std::string& scope : SplitSpaces(list)) {
      size_t first = scope.find(':');
      size_t second = first == std::string::npos ? first : scope.find(':', first + 1);
      std::set<std::string>& actions = out[scope.substr(0, second)];
      for (size_t at = second; at != std::string::npos;) {
        size_t comma = scope.find(',', at + 1);
        actions.insert(scope.substr(at + 1, comma == std::string::npos ? comma : comma - at - 1));
        at = comma;
      }
    }
  }
  return out;
}

bool Contains(const std::vector<std::string>& outer, const std::vector<std::string>& inner) {
  auto have = ParseScopes(outer);
  for (const auto& [name, actions] : ParseScopes(inner)) {
    auto found = have.find(name);
    if (found == have.end() || !std::includes(found->second.begin(), found->second.end(), actions.begin(), actions.end())) return false;
  }
  return true;
}

}  // namespace

std::vector<std::string> NormalizeScopes(const std::vector<std::string>& scopes) {
  std::vector<std::string> out;
  for (const auto& [name, actions] : ParseScopes(scopes)) {
    std::string scope = name + ":";
    for (const std::string& action : actions) scope += (scope.ends_with(':') ? "" : ",") + action;
    out.push_back(std::move(scope));
  }
  return out;
}

bool VerifySigned(const std::string& key, const std::string& signed_payload, const std::string& payload) {
  if (key.size() != kKeyBytes || signed_payload.size() != kSignatureBytes + payload.size()) return false;
  if (signed_payload.compare(kSignatureBytes, std::string::npos, payload) != 0) return false;
  auto bytes = [](const std::string& s) { return reinterpret_cast<const unsigned char*>(s.data()); };
  std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)> pkey(EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, nullptr, bytes(key), key.size()), &EVP_PKEY_free);
  std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context(EVP_MD_CTX_new(), &EVP_MD_CTX_free);
  return pkey != nullptr && EVP_DigestVerifyInit(context.get(), nullptr, nullptr, nullptr, pkey.get()) == 1 &&
         EVP_DigestVerify(context.get(), bytes(signed_payload), kSignatureBytes, bytes(payload), payload.size()) == 1;
}

std::string Access::CacheKey() const {
  std::string key;
  if (push) {
    for (const std::string& session : sessions) key += session + ":";
    key += ":";
  }
  return key + name + "::" + (push ? "push" : "pull") + (insecure ? ":insecure" : "");
}

std::vector<std::string> Access::Scopes() const {
  std::vector<std::string> out = {StrCat("repository:", repository, push ? ":pull,push" : ":pull")};
  if (!mount_from.empty()) out.push_back(StrCat("repository:", mount_from, ":pull"));
  return out;
}

struct Authorizer::FreshToken {
  std::string token;
  int64_t expires_in_s = 0, issued_at_s = 0;
};

// What one session (or several with the same credentials) may use at one host.
struct Authorizer::Grant {
  struct Token {
    std::string text;
    int64_t expires_ns = 0;
  };
  bool bearer = false;
  session::Credentials credentials;
  std::string authority;  // public key of the client that makes the tokens; empty: we do
  std::string realm, service;
  bool told_by_loopback = false;  // the realm
  std::vector<std::string> scopes;
  TlsOptions tls;
  Guarded<std::map<std::string, Token>> tokens;  // by scopes
};

Authorizer::Authorizer(HttpClient* http, session::Manager* sessions) : http_(http), sessions_(sessions), salt_(RandomBytes(kNonceBytes)) {}

Authorizer::GrantPtr Authorizer::Find(const Access& access, const std::string& host) {
  return spaces_.With([&](Spaces& spaces) -> GrantPtr {
    auto space = spaces.find(access.CacheKey());
    if (space == spaces.end()) return nullptr;
    space->second.last_used_ns = solver::NowNs();
    const auto& grants = space->second.by_host_and_session;
    for (const std::string& session : access.sessions) {
      if (auto found = grants.find({host, session}); found != grants.end()) return found->second;
    }
    // Without a session at hand only what was got without one is used.
    auto found = grants.find({host, ""});
    return found != grants.end() && (access.sessions.empty() || found->second->credentials.secret.empty()) ? found->second : nullptr;
  });
}

Authorizer::GrantPtr Authorizer::Link(const CancelToken& cancel, const Access& access, const std::string& host) {
  auto candidates = spaces_.With([&](Spaces& spaces) {
    std::set<GrantPtr> out;
    for (const auto& [key, grant] : spaces[access.CacheKey()].by_host_and_session) {
      if (key.first == host) out.insert(grant);
    }
    return out;
  });
  for (const GrantPtr& grant : candidates) {
    std::string session;
    bool same = false;
    if (!grant->authority.empty()) {
      same = VerifyAuthority(cancel, access, host, grant->authority, session);
    } else {
      session::Credentials own;
      same = Credentials(cancel, access, host, session, own).ok() && own.username == grant->credentials.username && own.secret == grant->credentials.secret;
    }
    if (!same) continue;
    Store(access, host, session, grant);
    return grant;
  }
  return nullptr;
}

void Authorizer::Store(const Access& access, const std::string& host, const std::string& session, GrantPtr grant) {
  int64_t now = solver::NowNs();
  spaces_.With([&](Spaces& spaces) {
    std::erase_if(spaces, [&](const auto& entry) { return now - entry.second.last_used_ns > kForgetAfterNs; });
    Space& space = spaces[access.CacheKey()];
    space.last_used_ns = now;
    space.by_host_and_session[{host, session}] = std::move(grant);
  });
}

void Authorizer::Drop(const Access& access, const GrantPtr& grant) {
  spaces_.With([&](Spaces& spaces) {
    std::erase_if(spaces[access.CacheKey()].by_host_and_session, [&](const auto& entry) { return entry.second == grant; });
  });
}

absl::StatusOr<std::string> Authorizer::Header(const CancelToken& cancel, const Access& access, const std::string& host) {
  GrantPtr grant = Find(access, host);
  if (grant == nullptr) grant = Link(cancel, access, host);
  if (grant == nullptr) return "";
  if (!grant->bearer) return "Basic " + Base64Encode(grant->credentials.username + ":" + grant->credentials.secret);
  BK_TRY(std::string token, BearerToken(cancel, access, host, *grant));
  return "Bearer " + token;
}

absl::Status Authorizer::Learn(const CancelToken& cancel, const Access& access, const std::string& host, const TlsOptions& tls,
                               const HttpResponse& response, bool asked_before) {
  GrantPtr grant = Find(access, host);
  for (const Challenge& challenge : ParseChallenges(response)) {
    auto parameter = [&](const char* key) {
      auto found = challenge.parameters.find(key);
      return found == challenge.parameters.end() ? "" : found->second;
    };
    auto fresh = std::make_shared<Grant>();
    fresh->tls = tls;
    std::string session;
    if (challenge.scheme == "basic") {
      BK_RETURN_IF_ERROR(Credentials(cancel, access, host, session, fresh->credentials));
      if (fresh->credentials.username.empty() || fresh->credentials.secret.empty()) continue;
      if (grant != nullptr && asked_before) return PermissionDenied("server message: invalid credentials: authorization failed");
      Store(access, host, session, std::move(fresh));
      return absl::OkStatus();
    }
    if (challenge.scheme != "bearer") continue;
    std::vector<std::string> asked = SplitSpaces(parameter("scope"));
    if (std::string error = parameter("error"); !error.empty() && asked_before && grant != nullptr) {
      Drop(access, grant);
      // The token had what it now says is missing: a new one would not help.
      if (error == "insufficient_scope" && Contains(grant->scopes, asked)) {
        return PermissionDenied("server message: ", error, ": authorization failed");
      }
      asked.insert(asked.end(), grant->scopes.begin(), grant->scopes.end());
      grant = nullptr;
    }
    if (grant != nullptr && grant->bearer) return asked_before ? PermissionDenied("authorization failed") : absl::OkStatus();
    fresh->bearer = true;
    fresh->realm = parameter("realm");
    fresh->told_by_loopback = response.from_loopback;
    fresh->service = parameter("service");
    fresh->scopes = NormalizeScopes(asked);
    if (fresh->realm.empty()) return InvalidArgument("no realm specified for token auth challenge");
    BK_RETURN_IF_ERROR(GoUrl::Parse(fresh->realm));
    BK_RETURN_IF_ERROR(TokenAuthority(cancel, access, host, session, fresh->authority));
    if (fresh->authority.empty()) BK_RETURN_IF_ERROR(Credentials(cancel, access, host, session, fresh->credentials));
    Store(access, host, session, std::move(fresh));
    return absl::OkStatus();
  }
  return Unimplemented("failed to find supported auth scheme: not implemented");
}

absl::StatusOr<std::string> Authorizer::BearerToken(const CancelToken& cancel, const Access& access, const std::string& host, Grant& grant) {
  std::vector<std::string> scopes = access.Scopes();
  scopes.insert(scopes.end(), grant.scopes.begin(), grant.scopes.end());
  scopes = NormalizeScopes(scopes);
  std::string key;
  for (const std::string& scope : scopes) key += scope + " ";
  int64_t now = solver::NowNs();
  std::string cached = grant.tokens.With([&](auto& tokens) {
    auto found = tokens.find(key);
    return found != tokens.end() && found->second.expires_ns > now ? found->second.text : std::string();
  });
  if (!cached.empty()) return cached;
  FreshToken fresh;
  if (grant.authority.empty()) {
    BK_ASSIGN(fresh, ServerToken(cancel, grant, scopes));
  } else {
    BK_ASSIGN(fresh, ClientToken(cancel, access, host, grant, scopes));
  }
  if (fresh.expires_in_s <= 0) fresh.expires_in_s = kDefaultExpirationS;
  int64_t issued_ns = fresh.issued_at_s > 0 ? fresh.issued_at_s * 1'000'000'000 : now;
  // Given up before it ends, as clocks and requests need some room.
  grant.tokens.With([&](auto& tokens) { tokens[key] = {fresh.token, issued_ns + fresh.expires_in_s * 900'000'000}; });
  return fresh.token;
}

absl::StatusOr<Authorizer::FreshToken> Authorizer::ClientToken(const CancelToken& cancel, const Access& access, const std::string& host,
                                                               const Grant& grant, const std::vector<std::string>& scopes) {
  Deadline deadline(cancel, "fetching auth token from session");
  FreshToken out;
  BK_RETURN_IF_ERROR(session::Any(deadline.token(), *sessions_, access.sessions, [&](const std::shared_ptr<session::Session>& client) -> absl::Status {
    BK_TRY(session::Token token, client->FetchToken(deadline.token(), {kClientId, host, grant.realm, grant.service, scopes}));
    out = {token.token, token.expires_in_s, token.issued_at_s};
    return absl::OkStatus();
  }));
  return out;
}

absl::StatusOr<HttpResponse> Authorizer::AskTokenServer(const CancelToken& cancel, const Grant& grant, const std::vector<std::string>& scopes, bool post) {
  HttpRequest request;
  request.tls = grant.tls;
  request.told = true;
  request.told_by_loopback = grant.told_by_loopback;
  request.limit_bytes = kMaxTokenBytes;
  BK_TRY(GoUrl url, GoUrl::Parse(grant.realm));
  const session::Credentials& credentials = grant.credentials;
  if (post) {
    GoUrl::Query form = {{"client_id", {kClientId}}, {"service", {grant.service}}};
    std::string all;
    for (const std::string& scope : scopes) all += (all.empty() ? "" : " ") + scope;
    if (!all.empty()) form["scope"] = {all};
    form["grant_type"] = {credentials.username.empty() ? "refresh_token" : "password"};
    if (credentials.username.empty()) {
      form["refresh_token"] = {credentials.secret};
    } else {
      form["username"] = {credentials.username};
      form["password"] = {credentials.secret};
    }
    request.method = "POST";
    request.body = EncodeQuery(form);
    request.headers = {{"Content-Type", "application/x-www-form-urlencoded; charset=utf-8"}};
  } else {
    GoUrl::Query query = url.query();
    if (!grant.service.empty()) query["service"].push_back(grant.service);
    for (const std::string& scope : scopes) query["scope"].push_back(scope);
    url.raw_query = EncodeQuery(query);
    if (!credentials.secret.empty()) {
      request.headers = {{"Authorization", "Basic " + Base64Encode(credentials.username + ":" + credentials.secret)}};
    }
  }
  request.url = url.str();
  return http_->Do(cancel, request);
}

absl::StatusOr<Authorizer::FreshToken> Authorizer::ServerToken(const CancelToken& cancel, const Grant& grant, const std::vector<std::string>& scopes) {
  bool anonymous = grant.credentials.secret.empty();
  std::string prefix = anonymous ? "failed to fetch anonymous token" : "failed to fetch oauth token";
  auto response = AskTokenServer(cancel, grant, scopes, false);
  if (response.ok() && !anonymous && (response->status == 401 || response->status == 404 || response->status == 405)) {
    response = AskTokenServer(cancel, grant, scopes, true);
  }
  if (!response.ok()) return Annotate(response.status(), prefix);
  if (response->status > 299) {
    return PermissionDenied(prefix, ": unexpected status from GET request to ", grant.realm, ": ", response->status);
  }
  auto json = nlohmann::json::parse(response->body, nullptr, false);
  if (!json.is_object()) return DataLoss(prefix, ": unable to decode token response");
  auto text = [&](const char* key) { return json.contains(key) && json[key].is_string() ? json[key].get<std::string>() : std::string(); };
  FreshToken out;
  out.token = text("token").empty() ? text("access_token") : text("token");
  if (json.contains("expires_in") && json["expires_in"].is_number_integer()) out.expires_in_s = std::clamp<int64_t>(json["expires_in"].get<int64_t>(), 0, 86400);
  if (out.token.empty()) return NotFound(prefix, ": authorization server did not include a token in the response");
  return out;
}

absl::Status Authorizer::Credentials(const CancelToken& cancel, const Access& access, const std::string& host, std::string& session, session::Credentials& out) {
  if (sessions_ == nullptr || access.sessions.empty()) return absl::OkStatus();
  Deadline deadline(cancel, "resolving credentials from session");
  absl::Status status = session::Any(deadline.token(), *sessions_, access.sessions, [&](const std::shared_ptr<session::Session>& client) {
    auto credentials = client->GetCredentials(deadline.token(), host);
    if (absl::IsUnimplemented(credentials.status())) return absl::OkStatus();
    if (!credentials.ok()) return credentials.status();
    session = client->id();
    out = *credentials;
    return absl::OkStatus();
  });
  return absl::IsFailedPrecondition(status) ? absl::OkStatus() : status;  // no client left: anonymous
}

absl::Status Authorizer::TokenAuthority(const CancelToken& cancel, const Access& access, const std::string& host, std::string& session, std::string& key) {
  if (sessions_ == nullptr || access.sessions.empty()) return absl::OkStatus();
  Deadline deadline(cancel, "getting token authority from session");
  absl::Status status = session::Any(deadline.token(), *sessions_, access.sessions, [&](const std::shared_ptr<session::Session>& client) -> absl::Status {
    auto found = client->GetTokenAuthority(deadline.token(), host, salt_);
    if (absl::IsUnimplemented(found.status()) || absl::IsUnavailable(found.status())) return absl::OkStatus();
    BK_RETURN_IF_ERROR(found);
    if (found->empty()) return absl::OkStatus();
    if (found->size() != kKeyBytes) return InvalidArgument("invalid pubkey length ", found->size());
    session = client->id();
    key = *found;
    return absl::OkStatus();
  });
  return absl::IsFailedPrecondition(status) ? absl::OkStatus() : status;
}

bool Authorizer::VerifyAuthority(const CancelToken& cancel, const Access& access, const std::string& host, const std::string& key, std::string& session) {
  if (sessions_ == nullptr || access.sessions.empty()) return false;
  Deadline deadline(cancel, "verifying token authority from session");
  bool verified = false;
  absl::Status status = session::Any(deadline.token(), *sessions_, access.sessions, [&](const std::shared_ptr<session::Session>& client) -> absl::Status {
    std::string nonce = RandomBytes(kNonceBytes);
    auto answer = client->VerifyTokenAuthority(deadline.token(), host, salt_, nonce);
    if (absl::IsUnimplemented(answer.status())) return absl::OkStatus();
    BK_RETURN_IF_ERROR(answer);
    session = client->id();
    verified = VerifySigned(key, *answer, nonce);
    return absl::OkStatus();
  });
  return status.ok() && verified;
}

}  // namespace bk::registry
