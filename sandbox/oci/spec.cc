#include "sandbox/oci/spec.h"

#include <seccomp.h>

#include <algorithm>

#include "base/go_json.h"
#include "sandbox/oci/seccomp_profile.h"

namespace bk::oci {
namespace {

constexpr const char* kCapabilities[] = {"CAP_CHOWN",  "CAP_DAC_OVERRIDE", "CAP_FSETID",  "CAP_FOWNER",          "CAP_MKNOD",      "CAP_NET_RAW", "CAP_SETGID",
                                         "CAP_SETUID", "CAP_SETFCAP",      "CAP_SETPCAP", "CAP_NET_BIND_SERVICE", "CAP_SYS_CHROOT", "CAP_KILL",    "CAP_AUDIT_WRITE"};
constexpr const char* kMaskedProc[] = {"/proc/acpi",       "/proc/asound",      "/proc/kcore",       "/proc/keys", "/proc/latency_stats",
                                       "/proc/timer_list", "/proc/timer_stats", "/proc/sched_debug"};
constexpr const char* kMaskedSys[] = {"/sys/firmware", "/sys/devices/virtual/powercap"};
constexpr const char* kReadonly[] = {"/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"};

void Strings(GoJsonWriter& w, const char* key, const std::vector<std::string>& values) {
  w.Key(key);
  w.BeginArray();
  for (const std::string& value : values) w.String(value);
  w.EndArray();
}

std::vector<SpecMount> DefaultMounts(const SpecInput& input) {
  std::vector<SpecMount> mounts;
  if (input.process_sandbox) {
    mounts.push_back({"/proc", "proc", "proc", {"nosuid", "noexec", "nodev"}});
  } else {
    mounts.push_back({"/proc", "bind", "/proc", {"rbind"}});
  }
  mounts.push_back({"/dev", "tmpfs", "tmpfs", {"nosuid", "strictatime", "mode=755", "size=65536k"}});
  mounts.push_back({"/dev/pts", "devpts", "devpts", {"nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"}});
  mounts.push_back({"/dev/shm", "tmpfs", "shm", {"nosuid", "noexec", "nodev", "mode=1777", "size=65536k"}});
  mounts.push_back({"/dev/mqueue", "mqueue", "mqueue", {"nosuid", "noexec", "nodev"}});
  if (!input.rootless) mounts.push_back({"/sys", "sysfs", "sysfs", {"nosuid", "noexec", "nodev", "ro"}});
  mounts.push_back({"/etc/resolv.conf", "bind", input.resolv_conf, {"nosuid", "noexec", "nodev", "rbind", "ro"}});
  mounts.push_back({"/etc/hosts", "bind", input.hosts, {"nosuid", "noexec", "nodev", "rbind", "ro"}});
  if (!input.rootless) mounts.push_back({"/sys/fs/cgroup", "cgroup", "cgroup", {"ro", "nosuid", "noexec", "nodev"}});
  return mounts;
}

// A step's mount takes the place of an earlier one with the same target; the others follow in text order of the target.
std::vector<SpecMount> AllMounts(const SpecInput& input) {
  std::vector<SpecMount> all = DefaultMounts(input), rest;
  for (const SpecMount& mount : input.mounts) {
    if (input.rootless && mount.destination.starts_with("/sys")) continue;
    auto same = [&](const SpecMount& other) { return other.destination == mount.destination; };
    auto earlier = std::find_if(all.begin(), all.end(), same);
    if (earlier != all.end()) {
      *earlier = mount;
    } else if (auto again = std::find_if(rest.begin(), rest.end(), same); again != rest.end()) {
      *again = mount;
    } else {
      rest.push_back(mount);
    }
  }
  std::stable_sort(rest.begin(), rest.end(), [](const SpecMount& a, const SpecMount& b) { return a.destination < b.destination; });
  all.insert(all.end(), rest.begin(), rest.end());
  return all;
}

void WriteProcess(GoJsonWriter& w, const SpecInput& input) {
  const exec::ProcessSpec& process = *input.process;
  w.Key("process");
  w.BeginObject();
  if (process.tty) {
    w.Key("terminal");
    w.Bool(true);
  }
  w.Key("user");
  w.BeginObject();
  w.Key("uid");
  w.Uint(input.user.uid);
  w.Key("gid");
  w.Uint(input.user.gid);
  std::vector<uint32_t> groups = input.user.groups;
  if (std::find(groups.begin(), groups.end(), input.user.gid) == groups.end()) groups.insert(groups.begin(), input.user.gid);
  w.Key("additionalGids");
  w.BeginArray();
  for (uint32_t gid : groups) w.Uint(gid);
  w.EndArray();
  w.EndObject();
  Strings(w, "args", process.args);
  Strings(w, "env", process.env);
  w.Key("cwd");
  w.String(process.cwd);
  bool insecure = process.security == exec::SecurityMode::kInsecure;
  w.Key("capabilities");
  w.BeginObject();
  for (const char* set : {"bounding", "effective", "permitted"}) {
    w.Key(set);
    w.BeginArray();
    for (const char* capability : kCapabilities) w.String(capability);
    if (insecure) w.String("CAP_SYS_ADMIN");
    w.EndArray();
  }
  w.EndObject();
  if (!process.ulimits.empty()) {
    w.Key("rlimits");
    w.BeginArray();
    for (const exec::Ulimit& limit : process.ulimits) {
      w.BeginObject();
      w.Key("type");
      std::string name = "RLIMIT_" + limit.name;
      std::transform(name.begin(), name.end(), name.begin(), [](unsigned char c) { return std::toupper(c); });
      w.String(name);
      w.Key("hard");
      w.Uint(limit.hard);
      w.Key("soft");
      w.Uint(limit.soft);
      w.EndObject();
    }
    w.EndArray();
  }
  w.EndObject();
}

bool KernelKnows(const char* name) { return seccomp_syscall_resolve_name(name) != __NR_SCMP_ERROR; }

void WriteSeccomp(GoJsonWriter& w) {
  w.Key("seccomp");
  w.BeginObject();
  w.Key("defaultAction");
  w.String("SCMP_ACT_ERRNO");
  w.Key("defaultErrnoRet");
  w.Int(1);
  Strings(w, "architectures", {"SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"});
  w.Key("syscalls");
  w.BeginArray();
  w.BeginObject();
  std::vector<std::string> allowed;
  for (const char* name : AllowedSyscalls()) {
    if (KernelKnows(name)) allowed.push_back(name);
  }
  Strings(w, "names", allowed);
  w.Key("action");
  w.String("SCMP_ACT_ALLOW");
  w.EndObject();
  for (const SeccompRule& rule : SeccompRules()) {
    w.BeginObject();
    Strings(w, "names", {rule.name});
    w.Key("action");
    w.String(rule.allow ? "SCMP_ACT_ALLOW" : "SCMP_ACT_ERRNO");
    if (!rule.allow) {
      w.Key("errnoRet");
      w.Int(rule.error_number);
    }
    if (rule.argument >= 0) {
      w.Key("args");
      w.BeginArray();
      w.BeginObject();
      w.Key("index");
      w.Int(rule.argument);
      w.Key("value");
      w.Uint(rule.value);
      w.Key("op");
      w.String(rule.operation);
      w.EndObject();
      w.EndArray();
    }
    w.EndObject();
  }
  w.EndArray();
  w.EndObject();
}

void WriteLinux(GoJsonWriter& w, const SpecInput& input) {
  const exec::ProcessSpec& process = *input.process;
  bool insecure = process.security == exec::SecurityMode::kInsecure;
  w.Key("linux");
  w.BeginObject();
  if (!input.rootless) {
    w.Key("resources");
    w.BeginObject();
    if (input.device_filter) {
      w.Key("devices");
      w.Raw(insecure ? R"([{"allow":true,"type":"c","access":"rwm"},{"allow":true,"type":"b","access":"rwm"}])" : R"([{"allow":false,"access":"rwm"}])");
    }
    w.EndObject();
    w.Key("cgroupsPath");
    w.String(input.cgroup_path);
  }
  w.Key("namespaces");
  w.BeginArray();
  auto name_space = [&](const char* type) {
    w.BeginObject();
    w.Key("type");
    w.String(type);
    w.EndObject();
  };
  if (input.process_sandbox) name_space("pid");
  for (const char* type : {"ipc", "uts", "mount"}) name_space(type);
  if (process.network == exec::NetworkMode::kNone) name_space("network");
  if (input.cgroup2_alone) name_space("cgroup");
  w.EndArray();
  if (!insecure) {
    WriteSeccomp(w);
    std::vector<std::string> masked, readonly;
    if (input.process_sandbox) {
      masked.assign(std::begin(kMaskedProc), std::end(kMaskedProc));
      readonly.assign(std::begin(kReadonly), std::end(kReadonly));
    }
    masked.insert(masked.end(), std::begin(kMaskedSys), std::end(kMaskedSys));
    if (input.process_sandbox) masked.push_back("/proc/scsi");
    Strings(w, "maskedPaths", masked);
    if (!readonly.empty()) Strings(w, "readonlyPaths", readonly);
  }
  w.EndObject();
}

}  // namespace

std::string MakeSpec(const SpecInput& input) {
  GoJsonWriter w;
  w.BeginObject();
  w.Key("ociVersion");
  w.String("1.0.2");
  WriteProcess(w, input);
  w.Key("root");
  w.BeginObject();
  w.Key("path");
  w.String(input.root_path);
  if (input.process->readonly_root) {
    w.Key("readonly");
    w.Bool(true);
  }
  w.EndObject();
  w.Key("hostname");
  w.String(input.process->hostname.empty() ? "buildkitsandbox" : input.process->hostname);
  w.Key("mounts");
  w.BeginArray();
  for (const SpecMount& mount : AllMounts(input)) {
    w.BeginObject();
    w.Key("destination");
    w.String(mount.destination);
    w.Key("type");
    w.String(mount.type);
    w.Key("source");
    w.String(mount.source);
    Strings(w, "options", mount.options);
    w.EndObject();
  }
  w.EndArray();
  WriteLinux(w, input);
  w.EndObject();
  return w.Take();
}

}  // namespace bk::oci
