// Tokens from a registry's token server, for the daemon (which never sees the password then).
//
// With a secret first OAuth's POST, and GET where the server does not know it; without one an anonymous GET. Thread-safe.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/cancel.h"
#include "base/curl_tls/options.h"
#include "client/session/docker_config.h"

namespace bk::client {

struct TokenRequest {
  std::string realm;  // URL
  std::string service;
  std::vector<std::string> scopes;
  TlsOptions tls;
};

struct Token {
  std::string text;
  int64_t expires_in_s = 0;  // 0: not said
  int64_t issued_at_s = 0;   // Unix time; 0: not said
};

// Unknown, with the server's answer, when there is no token.
absl::StatusOr<Token> FetchToken(const CancelToken& cancel, const TokenRequest& request, const Credentials& credentials);

}  // namespace bk::client
