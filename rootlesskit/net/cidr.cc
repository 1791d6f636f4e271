#include "rootlesskit/net/cidr.h"

#include <arpa/inet.h>

#include <algorithm>
#include <array>
#include <cstring>

#include "base/go_parse.h"

namespace bk::rootlesskit {
namespace {

bool HasHostBits(const std::array<unsigned char, 16>& bytes, size_t size, int prefix) {
  for (size_t i = 0; i < size; i++) {
    int network_bits = std::clamp(prefix - static_cast<int>(i) * 8, 0, 8);
    if ((bytes[i] & (0xff >> network_bits)) != 0) return true;
  }
  return false;
}

}  // namespace

absl::StatusOr<IpNetwork> ParseCidr(std::string_view text) {
  absl::Status invalid = InvalidArgument("invalid CIDR address: ", text);
  size_t slash = text.find('/');
  if (slash == std::string_view::npos) return invalid;
  IpNetwork network;
  network.text = text;
  std::string address(text.substr(0, slash));
  std::array<unsigned char, 16> bytes{};
  network.is_v4 = inet_pton(AF_INET, address.c_str(), bytes.data()) == 1;
  if (!network.is_v4 && inet_pton(AF_INET6, address.c_str(), bytes.data()) != 1) return invalid;
  size_t size = network.is_v4 ? 4 : 16;
  auto prefix = ParseUint(text.substr(slash + 1), 10, 8);
  if (!prefix.ok() || *prefix > size * 8) return invalid;
  network.prefix = static_cast<int>(*prefix);
  if (HasHostBits(bytes, size, network.prefix)) return InvalidArgument("cidr must be like 10.0.2.0/24, not like 10.0.2.100/24");
  if (network.is_v4) {
    uint32_t big_endian;
    std::memcpy(&big_endian, bytes.data(), sizeof big_endian);
    network.address = ntohl(big_endian);
  }
  return network;
}

absl::StatusOr<std::string> AddressAt(const IpNetwork& network, uint32_t offset) {
  if (!network.is_v4) return InvalidArgument("expected an IPv4 network, got ", network.text, " (use --cidr=10.0.2.0/24)");
  if (network.address + uint64_t{offset} > 0xffffffff) return InvalidArgument(network.text, " + ", offset, " overflows");
  in_addr address{htonl(network.address + offset)};
  char text[INET_ADDRSTRLEN];
  return std::string(inet_ntop(AF_INET, &address, text, sizeof text));
}

}  // namespace bk::rootlesskit
