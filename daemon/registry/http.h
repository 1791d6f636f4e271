// HTTP requests over one pool of kept connections, each a libcurl handle that was last used for the same host.
//
// Redirects are followed for reads only, to http and https, never carry credentials to another host and never lead to
// addresses that only this machine reaches (redirect.h). Proxies come from the environment, except for loopback hosts.
// Reads speak HTTP/2 where a TLS server offers it; writes HTTP/1.1, as the flow control of HTTP/2 slows uploads.
// Every request is a line of the debug log, without secrets. Thread-safe; calls block.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/curl_tls/options.h"
#include "base/cancel.h"

namespace bk::registry {

struct HttpResponse {
  int status = 0;
  std::multimap<std::string, std::string> headers;  // keys in lower case
  std::string body;                                 // empty if a sink took it
  bool from_loopback = false;                       // this machine answered
  std::string Header(const std::string& key) const;
};

// Whether the same request may be answered otherwise a little later.
bool IsTransientStatus(int status);
// Of the errors of HttpClient::Do: nothing answered at that address; what answered does not speak TLS.
bool IsUnreachable(const absl::Status& status);
bool IsNoTls(const absl::Status& status);

struct HttpRequest {
  std::string method = "GET";
  std::string url;
  std::vector<std::pair<std::string, std::string>> headers;  // InvalidArgument if a name or value could be read as two
  TlsOptions tls;
  std::string body;
  int body_fd = -1;  // a file whose bytes are sent instead of `body`; not owned
  int64_t body_offset_bytes = 0, body_size_bytes = 0;  // the part of it
  bool repeatable = true;  // whether the same request may be sent twice
  // A server named the URL (hostile 41): it may lead no further than a redirect. Whether that server is this machine.
  bool told = false, told_by_loopback = false;
  uint64_t limit_bytes = 64 << 10;  // of HttpResponse::body; more is ResourceExhausted (cut off for statuses above 299)
  // Called once with status and headers of the final answer, before its body. An error ends the request.
  std::function<absl::Status(const HttpResponse&)> on_head;
  std::function<absl::Status(std::string_view)> sink;  // takes the body of a 2xx answer
  std::function<void(int64_t sent_bytes)> on_sent;     // of the request's own body
};

class HttpClient {
 public:
  // `stall_timeout_s`: a transfer that long without a byte is Unavailable.
  explicit HttpClient(int stall_timeout_s = 60);
  ~HttpClient();
  // Any status is an answer. Unavailable: no (complete) answer, may be tried again. FailedPrecondition: the peer's
  // certificate was refused. Otherwise what `on_head` or `sink` returned, or the token's cause.
  absl::StatusOr<HttpResponse> Do(const CancelToken& cancel, const HttpRequest& request);

 private:
  // What one request of a chain of redirects hands to the next.
  struct Hop {
    bool redirected = false, from_loopback = false;  // of the request
    bool points_on = false, at_loopback = false;     // of its answer
  };
  absl::StatusOr<HttpResponse> Once(const CancelToken& cancel, const HttpRequest& request, Hop& hop);

  const int stall_timeout_s_;
  std::unique_ptr<class ConnectionPool> pool_;
};

// "key=value" and key="quoted value" lists of a WWW-Authenticate challenge.
struct Challenge {
  std::string scheme;  // lower case
  std::map<std::string, std::string> parameters;
};
std::vector<Challenge> ParseChallenges(const HttpResponse& response);

}  // namespace bk::registry
