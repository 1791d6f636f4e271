#include "sandbox/oci/ip_address.h"

#include <cstdio>
#include <optional>

namespace bk::oci {
namespace {

constexpr size_t kBytes4 = 4, kBytes16 = 16;

// What is wrong with a text, and from where on (empty: not said).
struct Fault {
  const char* what;
  std::string_view at;
};

std::optional<Fault> ReadDotted(std::string_view text, uint8_t* out) {
  size_t field = 0, digits = 0;
  unsigned value = 0;
  for (size_t i = 0; i < text.size(); i++) {
    char c = text[i];
    if (c >= '0' && c <= '9') {
      if (digits == 1 && value == 0) return Fault{"IPv4 field has octet with leading zero", {}};
      value = value * 10 + static_cast<unsigned>(c - '0');
      digits++;
      if (value > 255) return Fault{"IPv4 field has value >255", {}};
      continue;
    }
    if (c != '.') return Fault{"unexpected character", text.substr(i)};
    if (digits == 0 || i + 1 == text.size()) return Fault{"IPv4 field must have at least one digit", text.substr(i)};
    if (field == kBytes4 - 1) return Fault{"IPv4 address too long", {}};
    out[field++] = static_cast<uint8_t>(value);
    value = 0;
    digits = 0;
  }
  if (field < kBytes4 - 1) return Fault{"IPv4 address too short", {}};
  out[field] = static_cast<uint8_t>(value);
  return std::nullopt;
}

int HexDigit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

// Groups of an IPv6 address read so far: `filled` bytes, a gap (::) at `gap` if any.
struct Groups {
  std::array<uint8_t, kBytes16>& bytes;
  size_t filled = 0;
  std::optional<size_t> gap;
};

// Reads one hexadecimal group at the start of `rest`; its length in `length`.
std::optional<Fault> ReadGroup(std::string_view rest, size_t& length, unsigned& value) {
  length = 0;
  value = 0;
  for (; length < rest.size() && HexDigit(rest[length]) >= 0; length++) {
    if (length == 4) return Fault{"each group must have 4 or less digits", rest};
    value = value * 16 + static_cast<unsigned>(HexDigit(rest[length]));
  }
  if (length == 0) return Fault{"each colon-separated field must have at least one digit", rest};
  return std::nullopt;
}

std::optional<Fault> ReadTail(std::string_view rest, Groups& groups) {
  if (!groups.gap && groups.filled != kBytes16 - kBytes4) return Fault{"embedded IPv4 address must replace the final 2 fields of the address", rest};
  if (groups.filled + kBytes4 > kBytes16) return Fault{"too many hex fields to fit an embedded IPv4 at the end of the address", rest};
  auto fault = ReadDotted(rest, groups.bytes.data() + groups.filled);
  groups.filled += kBytes4;
  return fault;
}

// Moves what stands behind the gap to the end.
std::optional<Fault> CloseGap(Groups& groups) {
  if (groups.filled == kBytes16) {
    if (groups.gap) return Fault{"the :: must expand to at least one field of zeros", {}};
    return std::nullopt;
  }
  if (!groups.gap) return Fault{"address string too short", {}};
  size_t behind = groups.filled - *groups.gap;
  for (size_t i = 1; i <= behind; i++) groups.bytes[kBytes16 - i] = groups.bytes[groups.filled - i];
  for (size_t i = *groups.gap; i < kBytes16 - behind; i++) groups.bytes[i] = 0;
  return std::nullopt;
}

std::optional<Fault> ReadColons(std::string_view rest, std::array<uint8_t, kBytes16>& bytes) {
  Groups groups{bytes, 0, {}};
  if (rest.starts_with("::")) {
    groups.gap = 0;
    rest.remove_prefix(2);
    if (rest.empty()) return std::nullopt;
  }
  while (groups.filled < kBytes16) {
    size_t length;
    unsigned value;
    if (auto fault = ReadGroup(rest, length, value)) return fault;
    if (length < rest.size() && rest[length] == '.') {
      if (auto fault = ReadTail(rest, groups)) return fault;
      rest = {};
      break;
    }
    bytes[groups.filled++] = static_cast<uint8_t>(value >> 8);
    bytes[groups.filled++] = static_cast<uint8_t>(value);
    rest.remove_prefix(length);
    if (rest.empty()) break;
    if (rest[0] != ':') return Fault{"unexpected character, want colon", rest};
    if (rest.size() == 1) return Fault{"colon must be followed by more characters", rest};
    rest.remove_prefix(1);
    if (rest[0] != ':') continue;
    if (groups.gap) return Fault{"multiple :: in address", rest};
    groups.gap = groups.filled;
    rest.remove_prefix(1);
    if (rest.empty()) break;
  }
  if (!rest.empty()) return Fault{"trailing garbage after address", rest};
  return CloseGap(groups);
}

std::string Dotted(const uint8_t* b) { return StrCat(int{b[0]}, ".", int{b[1]}, ".", int{b[2]}, ".", int{b[3]}); }

}  // namespace

bool IpAddress::mapped_v4() const {
  if (v4) return false;
  for (size_t i = 0; i < 10; i++) {
    if (bytes[i] != 0) return false;
  }
  return bytes[10] == 0xff && bytes[11] == 0xff;
}

bool IpAddress::loopback() const {
  if (v4) return bytes[0] == 127;
  if (mapped_v4()) return bytes[12] == 127;
  for (size_t i = 0; i < kBytes16 - 1; i++) {
    if (bytes[i] != 0) return false;
  }
  return bytes[kBytes16 - 1] == 1;
}

std::string IpAddress::str() const {
  if (v4) return Dotted(bytes.data());
  std::string tail = zone.empty() ? "" : "%" + zone;
  if (mapped_v4()) return "::ffff:" + Dotted(bytes.data() + 12) + tail;
  auto group = [&](size_t i) { return bytes[2 * i] * 256u + bytes[2 * i + 1]; };
  size_t best = 8, best_length = 1;  // the longest run of zeros of two groups or more, the first of equals
  for (size_t i = 0; i < 8;) {
    size_t end = i;
    while (end < 8 && group(end) == 0) end++;
    if (end - i > best_length) {
      best = i;
      best_length = end - i;
    }
    i = end == i ? i + 1 : end;
  }
  std::string out;
  for (size_t i = 0; i < 8; i++) {
    if (i == best) {
      out += "::";
      i += best_length - 1;
      continue;
    }
    if (!out.empty() && !out.ends_with("::")) out += ':';
    char text[8];
    std::snprintf(text, sizeof text, "%x", group(i));
    out += text;
  }
  return out + tail;
}

absl::StatusOr<IpAddress> ParseIp(std::string_view text) {
  auto fail = [&](const Fault& fault) {
    std::string at = fault.at.empty() ? "" : StrCat(" (at ", Quote(fault.at), ")");
    return InvalidArgument("ParseAddr(", Quote(text), "): ", fault.what, at);
  };
  IpAddress address;
  size_t first = text.find_first_of(".:%");
  if (first == std::string_view::npos) return fail({"unable to parse IP", {}});
  if (text[first] == '%') return fail({"missing IPv6 address", {}});
  if (text[first] == '.') {
    address.v4 = true;
    if (auto fault = ReadDotted(text, address.bytes.data())) return fail(*fault);
    return address;
  }
  size_t percent = text.find('%');
  if (percent != std::string_view::npos) {
    address.zone = text.substr(percent + 1);
    if (address.zone.empty()) return fail({"zone must be a non-empty string", {}});
  }
  if (auto fault = ReadColons(text.substr(0, percent), address.bytes)) return fail(*fault);
  return address;
}

}  // namespace bk::oci
