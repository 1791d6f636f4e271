// The values of build's flags that lend a build something of the user's: ssh agents, TLS settings of registries. Pure; errors
// have the reference's texts.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/curl_tls/options.h"
#include "base/status.h"

namespace bk::client {

struct SshAgent {
  std::string id;
  std::optional<std::vector<std::string>> paths;  // keys, or one socket; nothing: the agent of $SSH_AUTH_SOCK
  bool raw = false;                               // the socket is forwarded as it is
};
// ID[=PATH,PATH…[,raw=true]]
absl::StatusOr<SshAgent> ParseSsh(const std::string& text);

// host=…,ca=…,cert=…,key=…,insecure=true each; several of one host add up.
absl::StatusOr<std::map<std::string, TlsOptions>> ParseRegistryTls(const std::vector<std::string>& texts);

}  // namespace bk::client
