// An agent of ssh that holds keys of files: it tells which and signs with them, and can be changed by nobody.
//
// Protocol: draft-miller-ssh-agent. Immutable once filled; thread-safe then.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "client/session/ssh_key.h"

namespace bk::client {

inline constexpr uint32_t kMaxAgentMessage = 256 << 10;  // as OpenSSH

class SshKeyring {
 public:
  // One key is held once.
  void Add(SshKey key);
  bool empty() const { return keys_.empty(); }
  // The answer to one message, both without their size in front.
  std::string Answer(std::string_view message) const;

 private:
  std::string Identities() const;
  absl::StatusOr<std::string> Sign(std::string_view body) const;
  std::vector<SshKey> keys_;
};

// Cuts a stream into messages.
class AgentMessages {
 public:
  void Add(std::string_view bytes) { pending_.append(bytes); }
  // The next whole message without its size; false: there is none yet. InvalidArgument for one of no or too many bytes.
  absl::StatusOr<bool> Next(std::string& message);

 private:
  std::string pending_;
};

}  // namespace bk::client
