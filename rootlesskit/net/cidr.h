// IP networks as flags name them: "10.0.2.0/24".
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/status.h"

namespace bk::rootlesskit {

struct IpNetwork {
  std::string text;      // as given, "10.0.2.0/24"
  bool is_v4 = true;
  uint32_t address = 0;  // host byte order; IPv4 only
  int prefix = 0;
};

// InvalidArgument ("invalid CIDR address: x", or for an address with host bits).
absl::StatusOr<IpNetwork> ParseCidr(std::string_view text);
// The `offset`th address of an IPv4 network, dotted. InvalidArgument beyond 255.255.255.255.
absl::StatusOr<std::string> AddressAt(const IpNetwork& network, uint32_t offset);

}  // namespace bk::rootlesskit
