#include "rootlesskit/child/network.h"

#include <limits.h>
#include <sys/mount.h>
#include <unistd.h>

#include <cerrno>

#include "base/os/file.h"
#include "rootlesskit/child/copy_up.h"
#include "rootlesskit/net/interface.h"
#include "rootlesskit/stage/report.h"

namespace bk::rootlesskit {
namespace {

constexpr uint64_t kMaxHostsBytes = 64 << 20;

absl::StatusOr<std::string> HostName() {
  char name[HOST_NAME_MAX + 1] = {};
  if (gethostname(name, HOST_NAME_MAX) < 0) return ErrnoError(errno, "gethostname");
  return std::string(name);
}

// `fresh`: /etc is our own tmpfs, so the link to the original gives way to a file.
absl::Status MountFile(const std::string& source, const std::string& target, bool fresh) {
  if (fresh) {
    BK_RETURN_IF_ERROR(os::RemoveAll(target));
    BK_RETURN_IF_ERROR(os::WriteFile(target, "", 0644));
  }
  if (mount(source.c_str(), target.c_str(), "", MS_BIND, "") < 0) {
    return Annotate(ErrnoError(errno, StrCat("mount ", source, " on ", target)), "failed to create bind mount (use --copy-up=/etc)");
  }
  return absl::OkStatus();
}

}  // namespace

std::string ResolvConfText(const std::vector<std::string>& dns) {
  std::string text;
  for (const std::string& server : dns) text += StrCat("nameserver ", server, "\n");
  return text;
}

std::string HostsText(const std::string& hosts, const std::string& hostname) {
  return StrCat(hosts, "\n127.0.0.1 ", hostname, "\n::1 ", hostname, "\n");
}

absl::Status SetUpNetwork(const Options& options, const NetworkSetup& setup, const std::string& state_dir) {
  if (options.host_network()) return absl::OkStatus();
  BK_RETURN_IF_ERROR(BringUpLoopback());
  if (setup.device.empty()) return absl::OkStatus();
  BK_RETURN_IF_ERROR(ConfigureInterface(setup));

  std::string resolv_conf = os::JoinPath(state_dir, "resolv.conf"), hosts = os::JoinPath(state_dir, "hosts");
  BK_TRY(std::string hostname, HostName());
  auto host_hosts = os::ReadFile("/etc/hosts", kMaxHostsBytes);
  if (!host_hosts.ok() && host_hosts.status().code() != absl::StatusCode::kNotFound) return host_hosts.status();
  BK_RETURN_IF_ERROR(os::WriteFile(hosts, HostsText(host_hosts.value_or(""), hostname), 0644));
  BK_RETURN_IF_ERROR(os::WriteFile(resolv_conf, ResolvConfText(setup.dns), 0644));
  bool fresh = CopiesEtc(options.copy_up);
  if (!fresh) {
    Warn("Mounting /etc/resolv.conf without copying-up /etc. Note that /etc/resolv.conf in the namespace will be unmounted when it is recreated on the "
         "host. Unless /etc/resolv.conf is statically configured, copying-up /etc is highly recommended. Please refer to RootlessKit documentation "
         "for further information.");
  }
  BK_RETURN_IF_ERROR(MountFile(resolv_conf, "/etc/resolv.conf", fresh));
  return MountFile(hosts, "/etc/hosts", fresh);
}

}  // namespace bk::rootlesskit
