#include "rootlesskit/stage/protocol.h"

#include <sys/socket.h>

#include <algorithm>
#include <cerrno>

#include "base/go_parse.h"

namespace bk::rootlesskit {
namespace {

constexpr size_t kMaxPacketBytes = 4096;
constexpr size_t kMaxNameservers = 8;
constexpr std::string_view kNames[] = {"mapped", "ready", "network", "configured", "start"};

std::string_view NameOf(PacketKind kind) { return kNames[static_cast<size_t>(kind)]; }

absl::Status SetField(NetworkSetup& network, std::string_view key, std::string_view value) {
  if (key == "device") {
    network.device = value;
  } else if (key == "address") {
    network.address = value;
  } else if (key == "gateway") {
    network.gateway = value;
  } else if (key == "dns") {
    if (network.dns.size() == kMaxNameservers) return InvalidArgument("too many name servers in a message");
    network.dns.emplace_back(value);
  } else if (key == "prefix" || key == "mtu") {
    BK_TRY(int64_t number, ParseInt(value, 10, 32));
    (key == "mtu" ? network.mtu : network.prefix) = static_cast<int>(number);
  } else {
    return InvalidArgument("unknown field ", Quote(key), " in a message");
  }
  return absl::OkStatus();
}

}  // namespace

std::string EncodePacket(const Packet& message) {
  std::string out = StrCat(NameOf(message.kind), "\n");
  if (message.kind != PacketKind::kNetwork) return out;
  const NetworkSetup& n = message.network;
  out += StrCat("device=", n.device, "\naddress=", n.address, "\ngateway=", n.gateway, "\nprefix=", n.prefix, "\nmtu=", n.mtu, "\n");
  for (const std::string& server : n.dns) out += StrCat("dns=", server, "\n");
  return out;
}

absl::StatusOr<Packet> DecodePacket(std::string_view text) {
  if (text.empty() || text.back() != '\n') return InvalidArgument("a message is cut off");
  size_t end = text.find('\n');
  auto name = std::find(std::begin(kNames), std::end(kNames), text.substr(0, end));
  if (name == std::end(kNames)) return InvalidArgument("unknown message ", Quote(text.substr(0, end)));
  Packet message{static_cast<PacketKind>(name - std::begin(kNames))};
  for (text.remove_prefix(end + 1); !text.empty(); text.remove_prefix(end + 1)) {
    end = text.find('\n');
    std::string_view line = text.substr(0, end);
    size_t equals = line.find('=');
    if (message.kind != PacketKind::kNetwork || equals == std::string_view::npos) return InvalidArgument("unexpected line ", Quote(line), " in a message");
    BK_RETURN_IF_ERROR(SetField(message.network, line.substr(0, equals), line.substr(equals + 1)));
  }
  return message;
}

absl::StatusOr<Channel::Pair> Channel::MakePair() {
  int fds[2];
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) < 0) return ErrnoError(errno, "socketpair");
  return Pair{Channel(os::UniqueFd(fds[0])), Channel(os::UniqueFd(fds[1]))};
}

absl::Status Channel::Send(const Packet& message) {
  std::string text = EncodePacket(message);
  ssize_t n;
  do {
    n = send(fd_.get(), text.data(), text.size(), MSG_NOSIGNAL);
  } while (n < 0 && errno == EINTR);
  if (n < 0) return Unavailable("send ", NameOf(message.kind), ": ", ErrnoText(errno));
  return absl::OkStatus();
}

absl::StatusOr<Packet> Channel::Receive(PacketKind expected) {
  char buffer[kMaxPacketBytes];
  ssize_t n;
  do {
    n = recv(fd_.get(), buffer, sizeof buffer, MSG_TRUNC);
  } while (n < 0 && errno == EINTR);
  if (n < 0) return Unavailable("wait for ", NameOf(expected), ": ", ErrnoText(errno));
  if (n == 0) return Unavailable("wait for ", NameOf(expected), ": the other side has gone");
  if (static_cast<size_t>(n) > sizeof buffer) return InvalidArgument("a message of ", n, " bytes is too long");
  BK_TRY(Packet message, DecodePacket({buffer, static_cast<size_t>(n)}));
  if (message.kind != expected) return FailedPrecondition("expected message ", NameOf(expected), ", got ", NameOf(message.kind));
  return message;
}

}  // namespace bk::rootlesskit
