#include "client/session/auth.h"

#include <chrono>
#include <set>

#include "base/go_parse.h"
#include "client/session/token_authority.h"
#include "client/session/token_server.h"
#include "proto/wire/server_call.h"
#include "session/auth.grpc.pb.h"

namespace bk::client {
namespace {

namespace api = moby::filesync::v1;
using Clock = std::chrono::steady_clock;

// Some registries' helper programs give credentials that live for five minutes.
constexpr std::chrono::seconds kCacheTime(290);
constexpr int64_t kDefaultExpirationSeconds = 60;
constexpr std::string_view kScopePrefix = "repository:";

bool ClientTokensDisabled() {
  const char* value = std::getenv("BUILDKIT_NO_CLIENT_TOKEN");
  return value != nullptr && ParseBool(value).value_or(false);
}

std::string TokenNote(const api::FetchTokenRequest& request) {
  std::string scopes;
  for (std::string_view scope : request.scopes()) {
    if (scope.starts_with(kScopePrefix)) scope.remove_prefix(kScopePrefix.size());
    scopes += StrCat(scopes.empty() ? "" : " ", scope);
  }
  return StrCat("[auth] ", scopes, " token for ", request.host());
}

class Auth : public api::Auth::CallbackService {
 public:
  Auth(DockerConfig config, std::string directory, std::map<std::string, TlsOptions> tls, std::function<void(const std::string&)> note)
      : config_(std::move(config)), authority_(std::move(directory)), tls_(std::move(tls)), note_(std::move(note)) {}

  grpc::ServerUnaryReactor* Credentials(grpc::CallbackServerContext* context, const api::CredentialsRequest* request,
                                        api::CredentialsResponse* response) override {
    return wire::RunUnary<api::CredentialsResponse>(
        tasks_, context, response, [this, host = request->host()](const CancelToken& cancel, api::CredentialsResponse& out) -> absl::Status {
          BK_TRY(client::Credentials found, Lookup(cancel, host));
          out.set_username(found.User());
          out.set_secret(found.Secret());
          if (!found.Secret().empty()) Note("[auth] sharing credentials for " + host);
          return absl::OkStatus();
        });
  }

  grpc::ServerUnaryReactor* FetchToken(grpc::CallbackServerContext* context, const api::FetchTokenRequest* request,
                                       api::FetchTokenResponse* response) override {
    return wire::RunUnary<api::FetchTokenResponse>(
        tasks_, context, response, [this, request = *request](const CancelToken& cancel, api::FetchTokenResponse& out) -> absl::Status {
          BK_TRY(client::Credentials found, Lookup(cancel, request.host()));
          Token token{found.registry_token, 0, 0};
          if (token.text.empty()) {
            if (!found.Secret().empty()) Note(TokenNote(request));
            auto tls = tls_.find(request.host());
            TokenRequest asked{request.realm(), request.service(), {request.scopes().begin(), request.scopes().end()}, tls == tls_.end() ? TlsOptions() : tls->second};
            BK_ASSIGN(token, client::FetchToken(cancel, asked, found));
          }
          out.set_token(token.text);
          out.set_expiresin(token.expires_in_s == 0 ? kDefaultExpirationSeconds : token.expires_in_s);
          out.set_issuedat(token.issued_at_s);
          return absl::OkStatus();
        });
  }

  grpc::ServerUnaryReactor* GetTokenAuthority(grpc::CallbackServerContext* context, const api::GetTokenAuthorityRequest* request,
                                              api::GetTokenAuthorityResponse* response) override {
    return wire::RunUnary<api::GetTokenAuthorityResponse>(
        tasks_, context, response, [this, request = *request](const CancelToken& cancel, api::GetTokenAuthorityResponse& out) -> absl::Status {
          BK_TRY(bool has_secret, HasSecret(cancel, request.host()));
          BK_TRY(*out.mutable_publickey(), authority_.PublicKey(request.host(), request.salt(), has_secret));
          return absl::OkStatus();
        });
  }

  grpc::ServerUnaryReactor* VerifyTokenAuthority(grpc::CallbackServerContext* context, const api::VerifyTokenAuthorityRequest* request,
                                                 api::VerifyTokenAuthorityResponse* response) override {
    return wire::RunUnary<api::VerifyTokenAuthorityResponse>(
        tasks_, context, response, [this, request = *request](const CancelToken& cancel, api::VerifyTokenAuthorityResponse& out) -> absl::Status {
          BK_TRY(bool has_secret, HasSecret(cancel, request.host()));
          BK_TRY(*out.mutable_signed_(), authority_.Sign(request.host(), request.salt(), has_secret, request.payload()));
          return absl::OkStatus();
        });
  }

 private:
  struct Cached {
    client::Credentials credentials;
    Clock::time_point made;
  };

  absl::StatusOr<client::Credentials> Lookup(const CancelToken& cancel, const std::string& host) {
    // Helper programs are asked one at a time: some hang otherwise.
    std::lock_guard lock(asking_);
    auto it = cache_.find(host);
    if (it != cache_.end() && Clock::now() - it->second.made < kCacheTime) return it->second.credentials;
    BK_TRY(client::Credentials found, config_.Lookup(cancel, host));
    cache_[host] = {found, Clock::now()};
    return found;
  }

  absl::StatusOr<bool> HasSecret(const CancelToken& cancel, const std::string& host) {
    if (ClientTokensDisabled()) return Unavailable("client side tokens disabled");
    BK_TRY(client::Credentials found, Lookup(cancel, host));
    return !found.Secret().empty();
  }

  void Note(const std::string& text) {
    if (note_ && noted_.With([&](std::set<std::string>& noted) { return noted.insert(text).second; })) note_(text);
  }

  const DockerConfig config_;
  const TokenAuthority authority_;
  const std::map<std::string, TlsOptions> tls_;
  const std::function<void(const std::string&)> note_;
  std::mutex asking_;
  std::map<std::string, Cached> cache_;  // under asking_
  Guarded<std::set<std::string>> noted_;
  TaskGroup tasks_;
};

}  // namespace

std::unique_ptr<grpc::Service> MakeAuth(DockerConfig config, std::string directory, std::map<std::string, TlsOptions> tls, std::function<void(const std::string&)> note) {
  return std::make_unique<Auth>(std::move(config), std::move(directory), std::move(tls), std::move(note));
}

}  // namespace bk::client
