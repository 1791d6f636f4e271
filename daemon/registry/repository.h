// Requests to one repository: finds the endpoint, authorises, repeats what may be repeated. Internal to daemon/registry.
//
// One a call of Registry; belongs to its thread, except that Exchange may be called from several.
#pragma once

#include <optional>

#include "base/go_url.h"
#include "daemon/registry/registry.h"

namespace bk::registry {

class Repository {
 public:
  // `locator` is "domain/path".
  static absl::StatusOr<Repository> Open(Registry& registry, const std::string& locator, const cache::FetchContext& context, bool push, bool insecure);

  const std::vector<Endpoint>& endpoints() const { return endpoints_; }
  const Endpoint& own() const { return endpoints_.back(); }
  const std::string& domain() const { return domain_; }
  const std::string& path() const { return path_; }
  const std::string& name() const { return access_.name; }
  Access& access() { return access_; }

  // "<base>/<repository>/<kind>/<object>", with the namespace for mirrors.
  std::string Url(const Endpoint& endpoint, std::string_view kind, std::string_view object) const;
  // Sends with authorisation (only to the endpoint's own scheme and host). 401 is answered with what the challenge asks for;
  // 408, 429 and 5xx by trying again after the right pause, broken connections too, unless part of the body went into a
  // sink. Of mirrors neither is awaited: another host is asked meanwhile. Any other status is an answer.
  absl::StatusOr<HttpResponse> Exchange(const CancelToken& cancel, const Endpoint& endpoint, HttpRequest request) const;
  // Waits before try number `attempt` (0 is the first repetition) as long as `answer` asks for, and says so on the vertex.
  // `why` if that is longer than anybody should wait.
  absl::Status BackOff(const CancelToken& cancel, int attempt, const absl::Status& why, const HttpResponse* answer = nullptr) const;
  // UnexpectedStatus; asks again for the texts that the answer to a HEAD request has no room for.
  absl::Status Explain(const CancelToken& cancel, const Endpoint& endpoint, const HttpRequest& request, const HttpResponse& response) const;
  Registry& registry() const { return *registry_; }

 private:
  Repository(Registry* registry) : registry_(registry) {}
  // Whether `url` is one of the endpoint itself, so that it may see what is for the endpoint.
  bool IsOwn(const Endpoint& endpoint, const GoUrl& url) const;
  void PassOver(const Endpoint& mirror) const;
  absl::StatusOr<HttpResponse> Send(const CancelToken& cancel, const Endpoint& endpoint, HttpRequest& request) const;

  Registry* registry_;
  std::string domain_, path_;
  Access access_;
  solver::VertexProgress progress_;
  std::vector<Endpoint> endpoints_;
};

inline constexpr int kMaxRepetitions = 3;
inline constexpr int64_t kMaxRetryAfterMs = 60'000;  // who asks for more is not waited for

// What a Retry-After header asks for (RFC 9110, 10.2.3: seconds, or a date that `now_s` is compared with); nothing if it
// cannot be read.
std::optional<int64_t> RetryAfterMs(const std::string& header, int64_t now_s);

// `unexpected status from HEAD request to URL: 403 Forbidden: denied: …`; the code fits the status.
absl::Status UnexpectedStatus(const HttpRequest& request, const HttpResponse& response);
// The same for a request that is not at hand any more.
absl::Status UnexpectedStatus(std::string_view method, std::string_view url, const HttpResponse& response);

}  // namespace bk::registry
