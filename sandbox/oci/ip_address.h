// IP addresses as text, read and printed as Go's net and net/netip packages do (steps see the printed form).
//
// Thread-safe (values and pure functions).
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/status.h"

namespace bk::oci {

struct IpAddress {
  std::array<uint8_t, 16> bytes{};  // IPv4: the first four
  bool v4 = false;
  std::string zone;  // of IPv6: "fe80::1%eth0"

  bool operator==(const IpAddress&) const = default;
  bool mapped_v4() const;  // ::ffff:a.b.c.d
  bool loopback() const;
  // RFC 5952; a mapped IPv4 address keeps its dots behind "::ffff:".
  std::string str() const;
};

// InvalidArgument with netip's words (`ParseAddr("x"): unable to parse IP`).
absl::StatusOr<IpAddress> ParseIp(std::string_view text);

}  // namespace bk::oci
