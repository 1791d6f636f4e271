#include "daemon/registry/redirect.h"

#include <arpa/inet.h>

#include <cstring>
#include <optional>

namespace bk::registry {
namespace {

// Addresses of both families in 16 bytes (RFC 4291, 2.5.5.2).
using Address = std::array<unsigned char, 16>;

std::optional<Address> ParseAddress(std::string_view text) {
  std::string address(text.substr(0, text.find('%')));  // without a zone
  Address out{};
  if (inet_pton(AF_INET6, address.c_str(), out.data()) == 1) return out;
  out[10] = out[11] = 0xff;
  if (inet_aton(address.c_str(), reinterpret_cast<in_addr*>(out.data() + 12)) != 0) return out;  // curl takes "0x7f.1" as well
  return std::nullopt;
}

bool IsMappedV4(const Address& a) {
  static constexpr unsigned char kPrefix[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
  return std::memcmp(a.data(), kPrefix, sizeof kPrefix) == 0;
}

// The own machine also answers at the unspecified address (ip(7), INADDR_ANY).
bool IsOwnMachine(const Address& a) {
  if (IsMappedV4(a)) return a[12] == 127 || (a[12] == 0 && a[13] == 0 && a[14] == 0 && a[15] == 0);
  for (size_t i = 0; i < 15; i++) {
    if (a[i] != 0) return false;
  }
  return a[15] <= 1;
}

bool IsMetadata(const Address& a) {
  if (IsMappedV4(a)) return (a[12] == 169 && a[13] == 254) || (a[12] == 100 && a[13] == 100 && a[14] == 100 && a[15] == 200);
  static constexpr unsigned char kAmazon[16] = {0xfd, 0x00, 0x0e, 0xc2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x02, 0x54};
  return (a[0] == 0xfe && (a[1] & 0xc0) == 0x80) || std::memcmp(a.data(), kAmazon, sizeof kAmazon) == 0;
}

std::string PortOf(const GoUrl& url) {
  std::string port = url.port();
  return !port.empty() ? port : url.scheme == "https" ? "443" : "80";
}

}  // namespace

bool IsRedirect(int status) { return status == 301 || status == 302 || status == 303 || status == 307 || status == 308; }

bool IsLoopbackAddress(std::string_view address) {
  auto parsed = ParseAddress(address);
  return parsed && IsOwnMachine(*parsed);
}

bool IsLoopbackHost(std::string_view host) { return host == "localhost" || host.ends_with(".localhost") || IsLoopbackAddress(host); }

absl::Status CheckRedirectAddress(std::string_view address, bool from_loopback) {
  auto parsed = ParseAddress(address);
  if (!parsed) return absl::OkStatus();
  if (IsMetadata(*parsed)) return PermissionDenied("redirect to the link-local address ", address, " is refused (name it in the URL if it is meant)");
  if (IsOwnMachine(*parsed) && !from_loopback) return PermissionDenied("redirect of another host to the loopback address ", address, " is refused (name it in the URL if it is meant)");
  return absl::OkStatus();
}

absl::Status CheckTold(const GoUrl& url, bool by_loopback) {
  if ((url.scheme != "http" && url.scheme != "https") || url.host.empty()) return InvalidArgument("unsupported protocol scheme ", Quote(url.scheme));
  BK_RETURN_IF_ERROR(CheckRedirectAddress(url.hostname(), by_loopback));
  return IsLoopbackHost(url.hostname()) && !by_loopback ? CheckRedirectAddress("127.0.0.1", false) : absl::OkStatus();
}

absl::StatusOr<GoUrl> NextHop(const GoUrl& from, const std::string& location, bool from_loopback) {
  auto next = from.Resolve(location);
  if (!next.ok()) return InvalidArgument("failed to parse Location header ", Quote(ShownUrl(location)));
  BK_RETURN_IF_ERROR(CheckTold(*next, from_loopback));
  return next;
}

bool KeepsCredentials(const GoUrl& from, const GoUrl& to) {
  if (from.hostname() != to.hostname()) return false;
  if (from.scheme == to.scheme) return PortOf(from) == PortOf(to);
  return from.scheme == "http" && PortOf(from) == "80" && PortOf(to) == "443";
}

std::string ShownUrl(const std::string& url) {
  std::string out = url.substr(0, url.find_first_of("?#"));
  size_t scheme = out.find("://");
  size_t begin = scheme == std::string::npos ? 0 : scheme + 3;
  size_t at = out.rfind('@', out.find('/', begin));
  if (at != std::string::npos && at >= begin) out.erase(begin, at + 1 - begin);
  return out;
}

}  // namespace bk::registry
