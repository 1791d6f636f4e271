#include "sandbox/net/pinned_namespace.h"

#include <fcntl.h>
#include <linux/if_bridge.h>
#include <linux/magic.h>
#include <linux/nsfs.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <thread>

#include "base/os/file.h"
#include "base/os/mount.h"

namespace bk::net {
namespace {

absl::StatusOr<ifreq> Request(const std::string& name) {
  ifreq request{};
  if (name.size() >= sizeof(request.ifr_name)) return InvalidArgument("interface name ", Quote(name), " is longer than ", sizeof(request.ifr_name) - 1, " bytes");
  std::memcpy(request.ifr_name, name.data(), name.size());
  return request;
}

// netdevice(7).
absl::Status SetUp(const std::string& name, bool up) {
  os::UniqueFd socket(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (!socket) return ErrnoError(errno, "socket");
  BK_TRY(ifreq request, Request(name));
  if (ioctl(socket.get(), SIOCGIFFLAGS, &request) != 0) return ErrnoError(errno, StrCat("flags of interface ", name));
  request.ifr_flags = static_cast<short>(up ? request.ifr_flags | IFF_UP : request.ifr_flags & ~IFF_UP);
  if (ioctl(socket.get(), SIOCSIFFLAGS, &request) != 0) return ErrnoError(errno, StrCat("flags of interface ", name));
  return absl::OkStatus();
}

// Of a bridge: linux/if_bridge.h.
absl::StatusOr<bool> HasPorts(int socket, const std::string& name) {
  int ports[256] = {};
  unsigned long arguments[4] = {BRCTL_GET_PORT_LIST, reinterpret_cast<unsigned long>(ports), std::size(ports), 0};
  BK_TRY(ifreq request, Request(name));
  request.ifr_data = reinterpret_cast<char*>(arguments);
  if (ioctl(socket, SIOCDEVPRIVATE, &request) < 0) return ErrnoError(errno, StrCat("ports of bridge ", name));
  return std::any_of(std::begin(ports), std::end(ports), [](int index) { return index != 0; });
}

// On a thread that ends with it: it never leaves the new namespace.
absl::Status MakeOn(const std::string& path) {
  if (unshare(CLONE_NEWNET) != 0) return ErrnoError(errno, "unshare(CLONE_NEWNET)");
  BK_RETURN_IF_ERROR(SetUp("lo", true));
  if (mount("/proc/thread-self/ns/net", path.c_str(), nullptr, MS_BIND, nullptr) != 0) return ErrnoError(errno, StrCat("mount a network namespace on ", path));
  return absl::OkStatus();
}

}  // namespace

absl::Status PinNewNamespace(const std::string& path) {
  BK_RETURN_IF_ERROR(os::Open(path, O_CREAT | O_EXCL | O_RDONLY | O_CLOEXEC, 0600).status());
  absl::Status status;
  std::thread([&] { status = MakeOn(path); }).join();
  if (!status.ok()) unlink(path.c_str());
  return status;
}

absl::Status Unpin(const std::string& path) {
  BK_RETURN_IF_ERROR(os::UnmountAll(path, true));
  if (unlink(path.c_str()) != 0 && errno != ENOENT) return ErrnoError(errno, StrCat("remove ", path));
  return absl::OkStatus();
}

bool IsPinned(const std::string& path) {
  struct statfs what;
  return statfs(path.c_str(), &what) == 0 && static_cast<unsigned long>(what.f_type) == NSFS_MAGIC;
}

bool OwnsNetwork() {
  os::UniqueFd network(open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC));
  os::UniqueFd owner(network ? ioctl(network.get(), NS_GET_USERNS) : -1);  // EPERM: one above ours
  struct stat theirs, ours;
  return owner && fstat(owner.get(), &theirs) == 0 && stat("/proc/self/ns/user", &ours) == 0 && theirs.st_ino == ours.st_ino && theirs.st_dev == ours.st_dev;
}

absl::Status RemoveBridge(const std::string& name) {
  if (if_nametoindex(name.c_str()) == 0) return absl::OkStatus();
  os::UniqueFd socket(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (!socket) return ErrnoError(errno, "socket");
  BK_TRY(bool used, HasPorts(socket.get(), name));
  if (used) return absl::OkStatus();
  BK_RETURN_IF_ERROR(SetUp(name, false));
  if (ioctl(socket.get(), SIOCBRDELBR, name.c_str()) != 0) return ErrnoError(errno, StrCat("remove bridge ", name));
  return absl::OkStatus();
}

}  // namespace bk::net
