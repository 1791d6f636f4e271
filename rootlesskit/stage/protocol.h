// How the two stages speak: a closed set of messages in a fixed order over a packet socket, one packet a message.
//
//   parent → child  mapped      the ids are mapped: execute yourself again to gain the capabilities
//   child → parent  ready       in all namespaces, with capabilities, /proc mounted
//   parent → child  network     the network is up as far as it is the parent's part
//   child → parent  configured  mounts and network are done
//   parent → child  start       child_pid and the API are there: run the command
//
// After that the child only watches for the end of the socket: the parent is gone, so everything has to end.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/os/unique_fd.h"
#include "base/status.h"

namespace bk::rootlesskit {

// What the child has to configure in its network namespace; no `device`: only the loopback (or the host's network).
struct NetworkSetup {
  std::string device, address, gateway;
  int prefix = 0;
  int mtu = 0;
  std::vector<std::string> dns;
  bool operator==(const NetworkSetup&) const = default;
};

enum class PacketKind { kMapped, kReady, kNetwork, kConfigured, kStart };

struct Packet {
  PacketKind kind;
  NetworkSetup network = {};  // kNetwork only
  bool operator==(const Packet&) const = default;
};

std::string EncodePacket(const Packet& message);
// InvalidArgument for anything that EncodePacket does not write.
absl::StatusOr<Packet> DecodePacket(std::string_view text);

class Channel {
 public:
  struct Pair;
  static absl::StatusOr<Pair> MakePair();
  explicit Channel(os::UniqueFd fd) : fd_(std::move(fd)) {}
  int fd() const { return fd_.get(); }
  absl::Status Send(const Packet& message);
  // Blocks. Unavailable when the other side has gone, FailedPrecondition when the message is not `expected`.
  absl::StatusOr<Packet> Receive(PacketKind expected);

 private:
  os::UniqueFd fd_;
};

struct Channel::Pair {
  Channel parent, child;
};

// Environment between the stages; none of it reaches the command, except the count of kReexecPrefix (as the original's).
inline constexpr char kChannelEnv[] = "_ROOTLESSKIT_CHANNEL";        // descriptor of the child's end
inline constexpr char kListenFdsEnv[] = "_ROOTLESSKIT_LISTEN_FDS";   // how many sockets of systemd stand at 3 and above
inline constexpr char kActivateEnv[] = "_ROOTLESSKIT_ACTIVATE";      // set LISTEN_PID to your own and become the command
inline constexpr char kReexecPrefix[] = "_ROOTLESSKIT_REEXEC_COUNT_";
// Documented environment of the command.
inline constexpr char kStateDirEnv[] = "ROOTLESSKIT_STATE_DIR";
inline constexpr char kParentEuidEnv[] = "ROOTLESSKIT_PARENT_EUID";
inline constexpr char kParentEgidEnv[] = "ROOTLESSKIT_PARENT_EGID";

}  // namespace bk::rootlesskit
