#include "sandbox/oci/host.h"

#include <linux/capability.h>
#include <linux/magic.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstdlib>

#include "base/os/file.h"

namespace bk::oci {
namespace {

bool Cgroup2Alone() {
  struct statfs fs;
  return statfs("/sys/fs/cgroup", &fs) == 0 && fs.f_type == CGROUP2_SUPER_MAGIC && access("/proc/self/ns/cgroup", F_OK) == 0;
}

// user_namespaces(7): the initial one maps all ids to themselves.
bool InUserNamespace() {
  auto map = os::ReadFile("/proc/self/uid_map", 1 << 20);
  if (!map.ok()) return false;
  long long inside = -1, outside = -1, count = 0;
  return std::sscanf(map->c_str(), "%lld %lld %lld", &inside, &outside, &count) != 3 || inside != 0 || outside != 0 || count != 4294967295LL;
}

std::vector<std::string> EffectiveCapabilities() {
  __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct data[2] = {};
  std::vector<std::string> names;
  if (syscall(SYS_capget, &header, data) != 0) return names;
  const auto& known = CapabilityNames();
  for (size_t i = 0; i < known.size(); i++) {
    if ((data[i / 32].effective >> (i % 32) & 1) != 0) names.emplace_back(known[i]);
  }
  return names;
}

}  // namespace

const std::vector<const char*>& CapabilityNames() {
  static const std::vector<const char*> names = {
      "CAP_CHOWN",          "CAP_DAC_OVERRIDE",     "CAP_DAC_READ_SEARCH", "CAP_FOWNER",        "CAP_FSETID",           "CAP_KILL",         "CAP_SETGID",
      "CAP_SETUID",         "CAP_SETPCAP",          "CAP_LINUX_IMMUTABLE", "CAP_NET_BIND_SERVICE", "CAP_NET_BROADCAST",  "CAP_NET_ADMIN",    "CAP_NET_RAW",
      "CAP_IPC_LOCK",       "CAP_IPC_OWNER",        "CAP_SYS_MODULE",      "CAP_SYS_RAWIO",      "CAP_SYS_CHROOT",       "CAP_SYS_PTRACE",   "CAP_SYS_PACCT",
      "CAP_SYS_ADMIN",      "CAP_SYS_BOOT",         "CAP_SYS_NICE",        "CAP_SYS_RESOURCE",   "CAP_SYS_TIME",         "CAP_SYS_TTY_CONFIG", "CAP_MKNOD",
      "CAP_LEASE",          "CAP_AUDIT_WRITE",      "CAP_AUDIT_CONTROL",   "CAP_SETFCAP",        "CAP_MAC_OVERRIDE",     "CAP_MAC_ADMIN",    "CAP_SYSLOG",
      "CAP_WAKE_ALARM",     "CAP_BLOCK_SUSPEND",    "CAP_AUDIT_READ",      "CAP_PERFMON",        "CAP_BPF",              "CAP_CHECKPOINT_RESTORE"};
  return names;
}

HostFacts FindHostFacts() {
  HostFacts facts;
  facts.cgroup2_alone = Cgroup2Alone();
  facts.user_namespace = InUserNamespace();
  facts.capabilities = EffectiveCapabilities();
  facts.seccomp = HostSeccompContext({});
  return facts;
}

}  // namespace bk::oci
