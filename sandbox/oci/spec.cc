#include "sandbox/oci/spec.h"

#include <sys/statvfs.h>

#include <algorithm>
#include <cerrno>

#include "base/os/file.h"
#include "base/unicode.h"
#include "sandbox/oci/hosts.h"

namespace bk::oci {
namespace {

constexpr const char* kCapabilities[] = {"CAP_CHOWN",  "CAP_DAC_OVERRIDE", "CAP_FSETID",  "CAP_FOWNER",          "CAP_MKNOD",      "CAP_NET_RAW", "CAP_SETGID",
                                         "CAP_SETUID", "CAP_SETFCAP",      "CAP_SETPCAP", "CAP_NET_BIND_SERVICE", "CAP_SYS_CHROOT", "CAP_KILL",    "CAP_AUDIT_WRITE"};
constexpr const char* kMasked[] = {"/proc/acpi",       "/proc/asound",      "/proc/kcore",       "/proc/keys",    "/proc/latency_stats",             "/proc/timer_list",
                                   "/proc/timer_stats", "/proc/sched_debug", "/sys/firmware", "/sys/devices/virtual/powercap", "/proc/scsi"};
constexpr const char* kReadonly[] = {"/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"};

// What an insecure step gets beside the runtime's own devices; in a user namespace they could not be used.
constexpr struct {
  const char* path;
  int64_t major, minor;
} kInsecureDevices[] = {{"/dev/kmsg", 1, 11}, {"/dev/cuse", 10, 203}, {"/dev/fuse", 10, 229}, {"/dev/kvm", 10, 232}, {"/dev/net/tun", 10, 200}, {"/dev/loop-control", 10, 237}};
constexpr int kMoreLoopDevices = 7;

constexpr char kTraceTarget[] = "/dev/otel-grpc.sock";

bool Insecure(const SpecInput& input) { return input.process->security == exec::SecurityMode::kInsecure; }

std::vector<SpecMount> DefaultMounts(const SpecInput& input) {
  const std::vector<std::string> file = {"nosuid", "noexec", "nodev", "rbind", "ro"};
  const std::string access = Insecure(input) ? "rw" : "ro";
  SpecMount proc = {"/proc", "proc", "proc", {"nosuid", "noexec", "nodev"}};
  if (!input.process_sandbox) proc = {"/proc", "bind", "/proc", {"rbind"}};
  return {
      proc,
      {"/dev", "tmpfs", "tmpfs", {"nosuid", "strictatime", "mode=755", "size=65536k"}},
      {"/dev/pts", "devpts", "devpts", {"nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"}},
      {"/dev/shm", "tmpfs", "shm", {"nosuid", "noexec", "nodev", "mode=1777", "size=65536k"}},
      {"/dev/mqueue", "mqueue", "mqueue", {"nosuid", "noexec", "nodev"}},
      {"/sys", "sysfs", "sysfs", {"nosuid", "noexec", "nodev", access}},
      {"/etc/resolv.conf", "bind", input.resolv_conf, file},
      {"/etc/hosts", "bind", input.hosts, file},
      {"/sys/fs/cgroup", "cgroup", "cgroup", {access, "nosuid", "noexec", "nodev"}},
  };
}

// A mount takes the place of an earlier one with the same target. `given`: those that are there before the step's own.
std::vector<SpecMount> AllMounts(const SpecInput& input, std::vector<SpecMount> given) {
  given.insert(given.end(), input.mounts.begin(), input.mounts.end());
  const std::string& socket = input.process->trace_socket;
  if (!socket.empty() && os::Exists(socket)) given.push_back({kTraceTarget, "bind", socket, {"ro", "rbind"}});
  std::vector<SpecMount> all;
  for (SpecMount& mount : given) {
    auto same = [&](const SpecMount& other) { return other.destination == mount.destination; };
    if (auto earlier = std::find_if(all.begin(), all.end(), same); earlier != all.end()) {
      *earlier = std::move(mount);
    } else {
      all.push_back(std::move(mount));
    }
  }
  return all;
}

// Entries without "=" are dropped; doubles stay (the runtime makes them one).
std::vector<std::string> Environment(const exec::ProcessSpec& process) {
  std::vector<std::string> env = process.env;
  std::erase_if(env, [](const std::string& entry) { return entry.find('=') == std::string::npos; });
  if (process.trace_socket.empty()) return env;
  const std::string traces[] = {"OTEL_TRACES_EXPORTER=otlp", StrCat("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT=unix://", kTraceTarget), "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL=grpc"};
  for (const std::string& entry : traces) {
    std::string name = entry.substr(0, entry.find('=') + 1);
    if (std::none_of(env.begin(), env.end(), [&](const std::string& e) { return e.starts_with(name); })) env.push_back(entry);
  }
  if (!process.traceparent.empty()) env.push_back("TRACEPARENT=" + process.traceparent);
  return env;
}

void SetSecurity(const SpecInput& input, Spec& spec) {
  spec.capabilities.assign(std::begin(kCapabilities), std::end(kCapabilities));
  spec.resources.emplace();
  spec.resources->limits = input.process->resources;
  if (Insecure(input)) {
    const auto& more = input.host.capabilities;
    spec.capabilities.insert(spec.capabilities.end(), more.begin(), more.end());
    spec.ambient_capabilities = more;
    if (input.device_filter) spec.resources->devices = {{true, "c", "rwm"}, {true, "b", "rwm"}};
    if (input.host.user_namespace) return;
    for (const auto& device : kInsecureDevices) spec.devices.push_back({device.path, "c", device.major, device.minor});
    for (int i = 0; i <= input.host.free_loop + kMoreLoopDevices; i++) spec.devices.push_back({StrCat("/dev/loop", i), "b", 7, i});
    return;
  }
  if (input.device_filter) spec.resources->devices = {{false, "", "rwm"}};
  spec.seccomp = input.host.seccomp;
  spec.seccomp->bounding = spec.capabilities;
  auto add = [&](std::span<const char* const> from, std::vector<std::string>& to) {
    for (std::string_view path : from) {
      // Without a sandbox /proc is the host's: what lies below it cannot be covered.
      if (input.process_sandbox || !path.starts_with("/proc/")) to.emplace_back(path);
    }
  };
  add(kMasked, spec.masked_paths);
  add(kReadonly, spec.readonly_paths);
}

// Text as Go's %+v prints a mount of the spec: the message is compared.
std::string Describe(const SpecMount& mount) {
  std::string options;
  for (const std::string& option : mount.options) options += (options.empty() ? "" : " ") + option;
  return StrCat("{Destination:", mount.destination, " Type:", mount.type, " Source:", mount.source, " Options:[", options, "] UIDMappings:[] GIDMappings:[]}");
}

}  // namespace

std::vector<uint32_t> AdditionalGroups(const User& user) {
  std::vector<uint32_t> groups = user.groups;
  if (std::find(groups.begin(), groups.end(), user.gid) == groups.end()) groups.insert(groups.begin(), user.gid);
  return groups;
}

std::string CgroupPath(const std::string& parent, const std::string& id) {
  if (parent.find(".slice") != std::string::npos && parent.ends_with(':')) return parent + id;
  return os::CleanPath(StrCat("/", parent, "/buildkit/", id));
}

absl::Status KeepLockedFlags(std::vector<SpecMount>& mounts) {
  constexpr struct {
    unsigned long flag;
    const char* option;
  } kLocked[] = {{ST_NOATIME, "noatime"}, {ST_NODEV, "nodev"}, {ST_NODIRATIME, "nodiratime"}, {ST_NOEXEC, "noexec"}, {ST_NOSUID, "nosuid"}, {ST_RDONLY, "ro"}};
  for (SpecMount& mount : mounts) {
    auto& options = mount.options;
    if (std::none_of(options.begin(), options.end(), [](const std::string& o) { return o == "bind" || o == "rbind"; })) continue;
    struct statvfs fs;
    if (statvfs(mount.source.c_str(), &fs) < 0) return ErrnoError(errno, StrCat("failed to get unprivileged mount flags for ", Describe(mount)));
    for (const auto& [flag, option] : kLocked) {
      if ((fs.f_flag & flag) != 0) options.emplace_back(option);
    }
    std::vector<std::string> once;
    for (std::string& option : options) {
      if (std::find(once.begin(), once.end(), option) == once.end()) once.push_back(std::move(option));
    }
    options = std::move(once);
  }
  return absl::OkStatus();
}

void MakeRootless(Spec& spec) {
  std::erase_if(spec.mounts, [](const SpecMount& mount) { return mount.destination.starts_with("/sys"); });
  spec.cgroups_path.clear();
  spec.resources.reset();
}

absl::StatusOr<Spec> MakeSpec(const SpecInput& input) {
  const exec::ProcessSpec& process = *input.process;
  Spec spec;
  spec.version = input.old_version ? kOldSpecVersion : kSpecVersion;
  spec.args = process.args;
  spec.env = Environment(process);
  spec.cwd = process.cwd;
  spec.hostname = process.hostname.empty() ? kDefaultHostname : process.hostname;
  spec.root_path = input.root_path;
  spec.terminal = process.tty;
  spec.readonly_root = process.readonly_root;
  spec.uid = input.user.uid;
  spec.gid = input.user.gid;
  spec.additional_gids = AdditionalGroups(input.user);
  spec.rlimits = process.ulimits;
  spec.cgroups_path = CgroupPath(process.cgroup_parent.empty() ? input.cgroup_parent : process.cgroup_parent, input.id);
  if (input.process_sandbox) spec.namespaces.emplace_back("pid");
  spec.namespaces.insert(spec.namespaces.end(), {"ipc", "uts", "mount"});
  bool none = process.network == exec::NetworkMode::kNone || (process.network == exec::NetworkMode::kUnset && input.no_network);
  if (process.network == exec::NetworkMode::kUnset) spec.network_namespace = input.network_namespace;
  if (none || !spec.network_namespace.empty()) spec.namespaces.emplace_back("network");
  if (input.host.cgroup2_alone) spec.namespaces.emplace_back("cgroup");
  SetSecurity(input, spec);
  spec.mounts = DefaultMounts(input);
  ApplyEdits(process.edits, input.device_filter, spec);
  spec.mounts = AllMounts(input, std::move(spec.mounts));
  if (input.host.user_namespace) BK_RETURN_IF_ERROR(KeepLockedFlags(spec.mounts));
  if (input.rootless) MakeRootless(spec);
  return spec;
}

}  // namespace bk::oci
