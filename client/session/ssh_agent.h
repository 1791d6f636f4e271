// Agents of ssh that the build may use, named by id: it may ask for the keys and for signatures, never change what is held.
//
// Protocol: draft-miller-ssh-agent. One thread a direction and connection.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <grpcpp/grpcpp.h>

#include "base/status.h"
#include "client/session/ssh_keyring.h"

namespace bk::client {

inline constexpr char kSshName[] = "moby.sshforward.v1.SSH";

struct SshAgentSource {
  std::string id;                  // "": "default"
  std::vector<std::string> paths;  // private keys, or one socket; none: $SSH_AUTH_SOCK
  bool raw = false;                // whatever listens there: nothing is looked into
};

// InvalidArgument for a doubled id, no socket, and files that hold no key, NotFound for what is not there.
absl::StatusOr<std::unique_ptr<grpc::Service>> MakeSshAgents(const std::vector<SshAgentSource>& sources);

// Cuts a stream of requests to an agent into messages and keeps those that would change it.
class AgentFilter {
 public:
  // What may go on of the bytes so far. InvalidArgument for a message of more than 256 KiB.
  absl::StatusOr<std::string> Pass(std::string_view bytes);
  // How many requests were kept since the last call: each wants a refusal ("\0\0\0\1\5") for its answer.
  int TakeRefused() { return std::exchange(refused_, 0); }

 private:
  AgentMessages messages_;
  int refused_ = 0;
};

}  // namespace bk::client
