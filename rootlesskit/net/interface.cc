#include "rootlesskit/net/interface.h"

#include <arpa/inet.h>
#include <net/if.h>
#include <net/route.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>

namespace bk::rootlesskit {
namespace {

absl::StatusOr<os::UniqueFd> ControlSocket() {
  os::UniqueFd fd(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (!fd) return ErrnoError(errno, "socket");
  return fd;
}

absl::StatusOr<ifreq> RequestFor(const std::string& device) {
  ifreq request{};
  if (device.empty() || device.size() >= sizeof request.ifr_name) return InvalidArgument("interface name ", Quote(device), " is too long");
  std::memcpy(request.ifr_name, device.data(), device.size());
  return request;
}

absl::Status Call(int fd, unsigned long what, void* request, std::string_view name) {
  if (ioctl(fd, what, request) < 0) return ErrnoError(errno, name);
  return absl::OkStatus();
}

absl::Status SetUp(int fd, const std::string& device) {
  BK_TRY(ifreq request, RequestFor(device));
  BK_RETURN_IF_ERROR(Call(fd, SIOCGIFFLAGS, &request, StrCat("read flags of ", device)));
  request.ifr_flags = static_cast<short>(request.ifr_flags | IFF_UP);
  return Call(fd, SIOCSIFFLAGS, &request, StrCat("bring up ", device));
}

absl::StatusOr<sockaddr_in> SocketAddress(const std::string& text) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  if (inet_pton(AF_INET, text.c_str(), &address.sin_addr) != 1) return InvalidArgument("not an IPv4 address: ", Quote(text));
  return address;
}

absl::Status SetAddress(int fd, const NetworkSetup& setup) {
  BK_TRY(ifreq request, RequestFor(setup.device));
  BK_TRY(sockaddr_in address, SocketAddress(setup.address));
  std::memcpy(&request.ifr_addr, &address, sizeof address);
  BK_RETURN_IF_ERROR(Call(fd, SIOCSIFADDR, &request, StrCat("set address of ", setup.device)));
  address.sin_addr.s_addr = htonl(setup.prefix == 0 ? 0 : ~uint32_t{0} << (32 - setup.prefix));
  std::memcpy(&request.ifr_netmask, &address, sizeof address);
  return Call(fd, SIOCSIFNETMASK, &request, StrCat("set netmask of ", setup.device));
}

absl::Status SetDefaultRoute(int fd, const NetworkSetup& setup) {
  BK_TRY(sockaddr_in gateway, SocketAddress(setup.gateway));
  sockaddr_in any{};
  any.sin_family = AF_INET;
  rtentry route{};
  std::memcpy(&route.rt_dst, &any, sizeof any);
  std::memcpy(&route.rt_genmask, &any, sizeof any);
  std::memcpy(&route.rt_gateway, &gateway, sizeof gateway);
  std::string device = setup.device;
  route.rt_dev = device.data();
  route.rt_flags = RTF_UP | RTF_GATEWAY;
  return Call(fd, SIOCADDRT, &route, StrCat("add default route by ", setup.gateway));
}

}  // namespace

absl::Status BringUpLoopback() {
  BK_TRY(os::UniqueFd fd, ControlSocket());
  return SetUp(fd.get(), "lo");
}

absl::Status ConfigureInterface(const NetworkSetup& setup) {
  BK_TRY(os::UniqueFd fd, ControlSocket());
  BK_RETURN_IF_ERROR(SetUp(fd.get(), setup.device));
  BK_TRY(ifreq request, RequestFor(setup.device));
  request.ifr_mtu = setup.mtu;
  BK_RETURN_IF_ERROR(Call(fd.get(), SIOCSIFMTU, &request, StrCat("set MTU ", setup.mtu, " of ", setup.device)));
  BK_RETURN_IF_ERROR(SetAddress(fd.get(), setup));
  return SetDefaultRoute(fd.get(), setup);
}

}  // namespace bk::rootlesskit
