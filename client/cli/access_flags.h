// The values of build's flags that lend a build something of the user's: ssh agents, TLS settings of registries. Pure; errors
// have the reference's texts.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/status.h"

namespace bk::client {

struct SshAgent {
  std::string id;
  std::optional<std::vector<std::string>> paths;  // keys, or one socket; nothing: the agent of $SSH_AUTH_SOCK
  bool raw = false;                               // the socket is forwarded as it is
};
// ID[=PATH,PATH…[,raw=true]]
absl::StatusOr<SshAgent> ParseSsh(const std::string& text);

struct RegistryTls {
  bool insecure = false;
  std::vector<std::string> ca_files;
  std::vector<std::pair<std::string, std::string>> key_pairs;  // key, certificate
};
// host=…,ca=…,cert=…,key=…,insecure=true each; several of one host add up.
absl::StatusOr<std::map<std::string, RegistryTls>> ParseRegistryTls(const std::vector<std::string>& texts);

}  // namespace bk::client
