// Which Authorization header a registry gets: learned from its challenges, with credentials and tokens of the client.
//
// The client makes the tokens itself when it can (trap 19). A token is shared with another session only after that one
// proved to hold the same credentials, by signing a nonce with the key that the first one named. Grants for pushes are kept
// apart by session. Thread-safe; calls block on sessions (60 s at most) and token servers.
#pragma once

#include <memory>
#include <set>
#include <string>
#include <vector>

#include "base/guarded.h"
#include "daemon/registry/http.h"
#include "daemon/session/session.h"

namespace bk::registry {

// What requests of one kind may do, and for whom.
struct Access {
  std::string repository;            // "library/alpine"
  bool push = false;
  bool insecure = false;
  std::string mount_from;            // another repository that is read
  std::string name;                  // "docker.io/library/alpine"
  std::vector<std::string> sessions;

  std::string CacheKey() const;
  std::vector<std::string> Scopes() const;
};

class Authorizer {
 public:
  // Both must outlive it; `sessions` may be null (anonymous only).
  Authorizer(HttpClient* http, session::Manager* sessions);

  // "" if the host has not asked for anything yet.
  absl::StatusOr<std::string> Header(const CancelToken& cancel, const Access& access, const std::string& host);
  // Takes note of the challenge in a 401 answer of `host`; OK means that asking again with a new header makes sense.
  // PermissionDenied when the server refused the very token we got for it; Unimplemented: no usable challenge.
  absl::Status Learn(const CancelToken& cancel, const Access& access, const std::string& host, const TlsOptions& tls,
                     const HttpResponse& response, bool asked_before);

 private:
  struct Grant;
  using GrantPtr = std::shared_ptr<Grant>;
  // Grants of one Access::CacheKey.
  struct Space {
    std::map<std::pair<std::string, std::string>, GrantPtr> by_host_and_session;
    int64_t last_used_ns = 0;
  };
  using Spaces = std::map<std::string, Space>;

  GrantPtr Find(const Access& access, const std::string& host);
  GrantPtr Link(const CancelToken& cancel, const Access& access, const std::string& host);
  void Store(const Access& access, const std::string& host, const std::string& session, GrantPtr grant);
  void Drop(const Access& access, const GrantPtr& grant);
  absl::StatusOr<std::string> BearerToken(const CancelToken& cancel, const Access& access, const std::string& host, Grant& grant);
  struct FreshToken;
  absl::StatusOr<FreshToken> ClientToken(const CancelToken& cancel, const Access& access, const std::string& host, const Grant& grant, const std::vector<std::string>& scopes);
  absl::StatusOr<FreshToken> ServerToken(const CancelToken& cancel, const Grant& grant, const std::vector<std::string>& scopes);
  absl::StatusOr<HttpResponse> AskTokenServer(const CancelToken& cancel, const Grant& grant, const std::vector<std::string>& scopes, bool post);

  absl::Status Credentials(const CancelToken& cancel, const Access& access, const std::string& host, std::string& session, session::Credentials& out);
  absl::Status TokenAuthority(const CancelToken& cancel, const Access& access, const std::string& host, std::string& session, std::string& key);
  bool VerifyAuthority(const CancelToken& cancel, const Access& access, const std::string& host, const std::string& key, std::string& session);

  HttpClient* const http_;
  session::Manager* const sessions_;
  const std::string salt_;  // of this process: keys do not outlive it
  Guarded<Spaces> spaces_;
};

// Scopes merged by resource, sorted (distribution's token scope grammar).
std::vector<std::string> NormalizeScopes(const std::vector<std::string>& scopes);
// Whether `signed_payload` (64 bytes of signature, then the payload) was signed by the Ed25519 `key` over `payload`.
bool VerifySigned(const std::string& key, const std::string& signed_payload, const std::string& payload);

}  // namespace bk::registry
