// HTTP/1.1 requests over a pool of libcurl handles, each with its own kept-alive connections.
//
// Redirects are followed for reads only, to http and https, never carry credentials to another host and never lead to
// addresses that only this machine reaches (redirect.h). Proxies come from the environment, except for loopback hosts.
// HTTP/2 is off: its flow control slows uploads. Thread-safe; calls block.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/cancel.h"

namespace bk::registry {

struct TlsOptions {
  bool insecure = false;              // certificates are not checked
  std::vector<std::string> ca_files;  // beside the host's bundle
  std::string cert_file, key_file;    // of the client; empty if none
};

struct HttpResponse {
  int status = 0;
  std::multimap<std::string, std::string> headers;  // keys in lower case
  std::string body;                                 // empty if a sink took it
  std::string Header(const std::string& key) const;
};

// Whether the same request may be answered otherwise a little later.
bool IsTransientStatus(int status);

struct HttpRequest {
  std::string method = "GET";
  std::string url;
  std::vector<std::pair<std::string, std::string>> headers;  // InvalidArgument if a name or value could be read as two
  TlsOptions tls;
  std::string body;
  int body_fd = -1;  // sent from its start instead of `body`; not owned
  int64_t body_size_bytes = 0;
  uint64_t limit_bytes = 64 << 10;  // of HttpResponse::body; more is ResourceExhausted (cut off for statuses above 299)
  // Called once with status and headers of the final answer, before its body. An error ends the request.
  std::function<absl::Status(const HttpResponse&)> on_head;
  std::function<absl::Status(std::string_view)> sink;  // takes the body of a 2xx answer
};

class HttpClient {
 public:
  HttpClient();
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

  struct Pool;
  std::unique_ptr<Pool> pool_;
};

// "key=value" and key="quoted value" lists of a WWW-Authenticate challenge.
struct Challenge {
  std::string scheme;  // lower case
  std::map<std::string, std::string> parameters;
};
std::vector<Challenge> ParseChallenges(const HttpResponse& response);

}  // namespace bk::registry
