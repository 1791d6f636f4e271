#include "tests/golden/exec/step_input.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>

#include "base/os/file.h"
#include "daemon/llb/entitlements.h"
#include "daemon/llb/load/device_check.h"
#include "tests/golden/exec/devices.h"

namespace bk::golden::exec {
namespace {

constexpr time_t kOldTime = 981173106;  // 2001-02-03T04:05:06Z
constexpr char kPasswd[] = "root:x:0:0:root:/root:/bin/sh\nbuilder:x:1000:1000::/home/builder:/bin/sh\nmary:x:1001:100::/home/mary:/bin/sh\n";
constexpr char kGroup[] = "root:x:0:\nwheel:x:10:root,builder\nstaff:x:50:mary,builder\nusers:x:100:\nbuilder:x:1000:\n";

int64_t Number(const Json& object, const char* key) {
  if (!object.contains(key)) return 0;
  const Json& value = object[key];
  return value.is_string() ? std::strtoll(value.get<std::string>().c_str(), nullptr, 10) : value.get<int64_t>();
}

absl::Status Busybox(const std::string& root) {
  BK_RETURN_IF_ERROR(os::MakeDirs(root + "/bin", 0755));
  BK_TRY(std::string busybox, os::ReadFile("/bin/busybox"));
  BK_RETURN_IF_ERROR(os::WriteFile(root + "/bin/busybox", busybox, 0755));
  for (const char* name : {"sh", "echo", "touch", "mkdir", "rmdir", "rm", "ln", "mv", "cat", "chmod", "chown", "sleep", "ls", "stat", "mount", "umount", "cp"}) {
    if (symlink("busybox", StrCat(root, "/bin/", name).c_str()) < 0) return ErrnoError(errno, name);
  }
  return absl::OkStatus();
}

// Every time below `path` becomes the old one, children first.
void Age(const std::string& path) {
  struct stat st;
  if (lstat(path.c_str(), &st) < 0) return;
  if (S_ISDIR(st.st_mode)) {
    for (const std::string& name : os::ListDir(path).value_or(std::vector<std::string>())) Age(path + "/" + name);
  }
  timespec times[2] = {{kOldTime, 0}, {kOldTime, 0}};
  utimensat(AT_FDCWD, path.c_str(), times, AT_SYMLINK_NOFOLLOW);
}

std::vector<std::string> Environment(const Json& exec, const Json& input) {
  auto env = exec["meta"].value("env", std::vector<std::string>());
  const Json proxy = exec["meta"].value("proxyEnv", Json::object());
  constexpr std::pair<const char*, const char*> kProxies[] = {{"httpProxy", "HTTP_PROXY"}, {"httpsProxy", "HTTPS_PROXY"}, {"ftpProxy", "FTP_PROXY"}, {"noProxy", "NO_PROXY"}, {"allProxy", "ALL_PROXY"}};
  for (const auto& [key, name] : kProxies) {
    if (!proxy.contains(key)) continue;
    std::string lower = name;
    for (char& c : lower) c = static_cast<char>(std::tolower(c));
    env.push_back(StrCat(name, "=", proxy[key].get<std::string>()));
    env.push_back(StrCat(lower, "=", proxy[key].get<std::string>()));
  }
  bool has_path = false;
  for (const std::string& entry : env) has_path = has_path || entry.starts_with("PATH=");
  if (!has_path) env.push_back(StrCat("PATH=", bk::exec::kDefaultPath));
  const Json secrets = input.value("session_secrets", Json::object());
  for (const Json& secret : exec.value("secretenv", Json::array())) env.push_back(secret["name"].get<std::string>() + "=" + secrets.value(secret.value("ID", ""), ""));
  return env;
}

// What the daemon allows; Unimplemented if it refuses the step.
absl::Status FillDevices(const Json& exec, const Json& input, const std::string& dir, bk::exec::ProcessSpec& process) {
  if (!exec.contains("cdiDevices")) return absl::OkStatus();
  BK_RETURN_IF_ERROR(WriteDevices(dir + "/cdi"));
  cdi::Registry registry({dir + "/cdi"}, {});
  pb::ExecOp op;
  for (const Json& device : exec["cdiDevices"]) {
    pb::CDIDevice& one = *op.add_cdidevices();
    one.set_name(device["name"].get<std::string>());
    one.set_optional(device.value("optional", false));
  }
  BK_TRY(bk::llb::EntitlementSet granted, bk::llb::GrantEntitlements(input.value("client_entitlements", std::vector<std::string>()), {"device"}));
  if (auto status = bk::llb::CheckDevices(op, granted, &registry); !status.ok()) return Unimplemented(Message(status));
  std::vector<std::string> names;
  for (const pb::CDIDevice& device : op.cdidevices()) names.push_back(device.name());
  BK_ASSIGN(process.edits, registry.EditsOf(names));
  return absl::OkStatus();
}

absl::Status FillProcess(const Json& exec, const Json& input, const std::string& dir, bk::exec::ProcessSpec& process) {
  const Json& meta = exec["meta"];
  process.args = meta.value("args", std::vector<std::string>());
  process.env = Environment(exec, input);
  process.cwd = meta.value("cwd", "");
  process.user = meta.value("user", "");
  process.hostname = meta.value("hostname", "");
  process.cgroup_parent = meta.value("cgroupParent", "");
  process.remove_mount_stubs_recursive = meta.value("removeMountStubsRecursive", false);
  for (const Json& host : meta.value("extraHosts", Json::array())) process.extra_hosts.push_back({host["Host"], host["IP"]});
  for (const Json& limit : meta.value("ulimit", Json::array())) {
    process.ulimits.push_back({limit["Name"], static_cast<uint64_t>(Number(limit, "Soft")), static_cast<uint64_t>(Number(limit, "Hard"))});
  }
  const Json network = exec.value("network", Json("UNSET")), security = exec.value("security", Json("SANDBOX"));
  if (!network.is_string() || !security.is_string()) return Unimplemented("unknown modes are refused above the executor");
  process.network = network == "HOST" ? bk::exec::NetworkMode::kHost : network == "NONE" ? bk::exec::NetworkMode::kNone : bk::exec::NetworkMode::kUnset;
  if (security == "INSECURE") process.security = bk::exec::SecurityMode::kInsecure;
  const Json limits = input.value("metadata_linux_resources", Json::object());
  bk::exec::Resources& resources = process.resources;
  resources.memory_bytes = Number(limits, "memory");
  resources.memory_swap_bytes = Number(limits, "memorySwap");
  resources.cpu_shares = static_cast<uint64_t>(Number(limits, "cpuShares"));
  resources.cpu_period = static_cast<uint64_t>(Number(limits, "cpuPeriod"));
  resources.cpu_quota = Number(limits, "cpuQuota");
  resources.cpuset_cpus = limits.value("cpusetCpus", "");
  resources.cpuset_mems = limits.value("cpusetMems", "");
  return FillDevices(exec, input, dir, process);
}

}  // namespace

absl::StatusOr<std::string> StepFiles::NewDir(const std::string& below) {
  std::string path = StrCat(dir_, below, "/", next_++, "/fs");
  BK_RETURN_IF_ERROR(os::MakeDirs(path, 0755));
  return path;
}

absl::StatusOr<std::string> StepFiles::MakeRoot(const std::string& name) {
  BK_TRY(std::string root, NewDir("/roots"));
  BK_RETURN_IF_ERROR(Busybox(root));
  if (name != "bare") {
    for (const char* dir : {"/etc/sub", "/tmp", "/home/builder", "/opt/dir", "/usr/share", "/var"}) BK_RETURN_IF_ERROR(os::MakeDirs(root + dir, 0755));
    BK_RETURN_IF_ERROR(os::WriteFile(root + "/etc/passwd", kPasswd, 0644));
    BK_RETURN_IF_ERROR(os::WriteFile(root + "/etc/group", kGroup, 0644));
    BK_RETURN_IF_ERROR(os::WriteFile(root + "/etc/existing", "existing\n", 0644));
    BK_RETURN_IF_ERROR(os::WriteFile(root + "/etc/empty", "", 0644));
    BK_RETURN_IF_ERROR(os::WriteFile(root + "/opt/dir/file", "file\n", 0644));
    chmod((root + "/tmp").c_str(), 01777);
    if (symlink("/opt", (root + "/var/link").c_str()) < 0 || symlink("/nowhere", (root + "/var/dangling").c_str()) < 0) return ErrnoError(errno, root);
  }
  if (name == "full") {
    for (const char* dir : {"/dev", "/proc", "/sys", "/run"}) BK_RETURN_IF_ERROR(os::MakeDirs(root + dir, 0755));
    BK_RETURN_IF_ERROR(os::WriteFile(root + "/etc/hosts", "10.0.0.1\town\n", 0644));
    BK_RETURN_IF_ERROR(os::WriteFile(root + "/etc/resolv.conf", "", 0644));
  }
  Age(root);
  return root;
}

absl::StatusOr<std::vector<os::Mount>> StepFiles::Snapshot(const std::string& name, bool readonly, bool rootless) {
  std::vector<std::string> layers;
  size_t plus = name.find('+');
  int more = plus == std::string::npos ? 0 : std::atoi(name.c_str() + plus + 1);
  for (int i = 0; i <= more; i++) {
    BK_TRY(std::string layer, NewDir(readonly ? "/root/runc-overlayfs/snapshots/snapshots" : "/root/runc-overlayfs/cachemounts"));
    layers.insert(layers.begin(), layer);
  }
  std::string data = layers.back();
  if (name.starts_with("data")) {
    BK_RETURN_IF_ERROR(os::MakeDirs(data + "/dir", 0755));
    BK_RETURN_IF_ERROR(os::WriteFile(data + "/file.txt", "data\n", 0644));
    BK_RETURN_IF_ERROR(os::WriteFile(data + "/dir/inner.txt", "inner\n", 0644));
    BK_RETURN_IF_ERROR(os::WriteFile(data + "/run.sh", "#!/bin/sh\n", 0755));
    if (symlink("dir", (data + "/link").c_str()) < 0) return ErrnoError(errno, data);
  }
  if (!readonly) return std::vector<os::Mount>{{"bind", data, {"rw", "rbind"}}};
  if (layers.size() == 1) return std::vector<os::Mount>{{"bind", data, {"rbind", "ro"}}};
  std::string lower = "lowerdir=";
  for (const std::string& layer : layers) lower += (layer == layers[0] ? "" : ":") + layer;
  std::vector<std::string> options = rootless ? std::vector<std::string>{lower, "userxattr", "index=off"} : std::vector<std::string>{lower, "index=off", "redirect_dir=off"};
  return std::vector<os::Mount>{{"overlay", "overlay", options}};
}

absl::StatusOr<std::vector<os::Mount>> StepFiles::MountOf(const Json& mount, const Json& input, bool rootless) {
  std::string type = mount.value("mountType", "BIND");
  int64_t number = Number(mount, "input");
  bool readonly = mount.value("readonly", false);
  if (type == "TMPFS") {
    std::vector<std::string> options = {"nosuid"};
    int64_t size = mount.contains("TmpfsOpt") ? Number(mount["TmpfsOpt"], "size") : 0;
    if (size != 0) options.push_back(StrCat("size=", size));
    return std::vector<os::Mount>{{"tmpfs", "tmpfs", options}};
  }
  if (type == "SECRET") {
    if (!mount.contains("secretOpt") || !mount["secretOpt"].contains("ID")) return Unimplemented("secret options are checked above the executor");
    const Json secrets = input.value("session_secrets", Json::object());
    std::string id = mount["secretOpt"]["ID"];
    if (!secrets.contains(id)) {
      if (mount["secretOpt"].value("optional", false)) return std::vector<os::Mount>();
      return Unimplemented("secrets are asked for above the executor");
    }
    BK_TRY(std::string dir, NewDir("/secrets"));
    BK_RETURN_IF_ERROR(os::WriteFile(dir + "/secret", secrets[id].get<std::string>(), 0400));
    return std::vector<os::Mount>{{"bind", dir + "/secret", {"ro", "rbind", "nodev", "nosuid", "noexec"}}};
  }
  if (type == "SSH") {
    if (!input.contains("session_ssh")) {
      if (mount["SSHOpt"].value("optional", false)) return std::vector<os::Mount>();
      return Unimplemented("ssh agents are asked for above the executor");
    }
    BK_TRY(std::string dir, NewDir("/ssh"));
    BK_RETURN_IF_ERROR(os::WriteFile(dir + "/ssh_auth_sock", "", 0600));
    return std::vector<os::Mount>{{"bind", dir + "/ssh_auth_sock", {"rbind"}}};
  }
  if (type == "CACHE" && !mount.contains("cacheOpt")) return Unimplemented("cache options are checked above the executor");
  if (number < 0) {
    // An empty mutable snapshot: writable, but read-only where it was asked for so.
    BK_TRY(auto mounts, Snapshot("empty", true, rootless));
    if (!readonly) mounts[0].options = {"rw", "rbind"};
    return mounts;
  }
  if (static_cast<size_t>(number) >= input["inputs"].size()) return Unimplemented("inputs are checked above the executor");
  BK_TRY(auto mounts, Snapshot(input["inputs"][static_cast<size_t>(number)], readonly, rootless));
  // References of a gateway client say it once more.
  if (readonly && input.value("through_gateway_client", false)) mounts[0].options.insert(mounts[0].options.begin(), "ro");
  return mounts;
}

absl::StatusOr<StepInput> StepFiles::Make(const Json& input, bool rootless) {
  const Json& exec = input["exec"];
  StepInput step;
  if (!exec["meta"].contains("args")) return Unimplemented("an op without args is refused above the executor");
  BK_RETURN_IF_ERROR(FillProcess(exec, input, dir_, step.process));
  step.process.trace_socket = trace_socket();
  step.process.traceparent = "00-$TRACE-$SPAN-01";
  for (const Json& mount : exec.value("mounts", Json::array())) {
    if (mount["dest"] == "/") {
      if (mount.contains("mountType")) return Unimplemented("the root's type is checked above the executor");
      // The last root wins; one that is neither kept nor new is given read-only.
      step.process.readonly_root = mount.value("readonly", false) || Number(mount, "output") < 0;
      BK_TRY(std::string root, Number(mount, "input") < 0 ? NewDir("/roots") : MakeRoot(input["inputs"][0]));
      step.root = {{"bind", root, {"rbind"}}};
      continue;
    }
    BK_TRY(std::vector<os::Mount> mounts, MountOf(mount, input, rootless));
    if (mounts.empty()) continue;
    // A selected overlay is given as it is: its own flags say that it is read-only.
    step.mounts.push_back({mount["dest"], mounts, mount.value("selector", ""), mount.value("readonly", false)});
  }
  if (step.root.empty()) return Unimplemented("an op without a root is refused above the executor");
  return step;
}

}  // namespace bk::golden::exec
