// The Spec as config.json; what is empty is left out.
#include "base/digest.h"
#include "base/go_json.h"
#include "base/unicode.h"
#include "sandbox/oci/spec.h"

namespace bk::oci {
namespace {

void Strings(GoJsonWriter& w, const char* key, const std::vector<std::string>& values) {
  if (values.empty()) return;
  w.Key(key);
  w.BeginArray();
  for (const std::string& value : values) w.String(value);
  w.EndArray();
}

void Text(GoJsonWriter& w, const char* key, std::string_view value) {
  w.Key(key);
  w.String(value);
}

void Number(GoJsonWriter& w, const char* key, int64_t value) {
  w.Key(key);
  w.Int(value);
}

void WriteUser(GoJsonWriter& w, const Spec& spec) {
  w.Key("user");
  w.BeginObject();
  w.Key("uid");
  w.Uint(spec.uid);
  w.Key("gid");
  w.Uint(spec.gid);
  w.Key("additionalGids");
  w.BeginArray();
  for (uint32_t gid : spec.additional_gids) w.Uint(gid);
  w.EndArray();
  w.EndObject();
}

void WriteRlimits(GoJsonWriter& w, const std::vector<exec::Ulimit>& limits) {
  if (limits.empty()) return;
  w.Key("rlimits");
  w.BeginArray();
  for (const exec::Ulimit& limit : limits) {
    w.BeginObject();
    Text(w, "type", "RLIMIT_" + ToUpper(limit.name));
    w.Key("hard");
    w.Uint(limit.hard);
    w.Key("soft");
    w.Uint(limit.soft);
    w.EndObject();
  }
  w.EndArray();
}

void WriteProcess(GoJsonWriter& w, const Spec& spec) {
  w.BeginObject();
  if (spec.terminal) {
    w.Key("terminal");
    w.Bool(true);
  }
  WriteUser(w, spec);
  Strings(w, "args", spec.args);
  Strings(w, "env", spec.env);
  Text(w, "cwd", spec.cwd);
  w.Key("capabilities");
  w.BeginObject();
  for (const char* set : {"bounding", "effective", "permitted"}) Strings(w, set, spec.capabilities);
  for (const char* set : {"inheritable", "ambient"}) Strings(w, set, spec.ambient_capabilities);
  w.EndObject();
  WriteRlimits(w, spec.rlimits);
  w.EndObject();
}

void WriteDeviceRules(GoJsonWriter& w, const std::vector<DeviceRule>& rules) {
  if (rules.empty()) return;
  w.Key("devices");
  w.BeginArray();
  for (const DeviceRule& rule : rules) {
    w.BeginObject();
    w.Key("allow");
    w.Bool(rule.allow);
    if (!rule.type.empty()) Text(w, "type", rule.type);
    if (rule.major) Number(w, "major", *rule.major);
    if (rule.minor) Number(w, "minor", *rule.minor);
    Text(w, "access", rule.access);
    w.EndObject();
  }
  w.EndArray();
}

void WriteResources(GoJsonWriter& w, const SpecResources& resources) {
  const exec::Resources& limits = resources.limits;
  w.Key("resources");
  w.BeginObject();
  WriteDeviceRules(w, resources.devices);
  auto number = [&](const char* key, int64_t value, bool write) {
    if (!write) return;
    w.Key(key);
    w.Int(value);
  };
  if (limits.memory_bytes != 0 || limits.memory_swap_bytes != 0) {
    w.Key("memory");
    w.BeginObject();
    number("limit", limits.memory_bytes, limits.memory_bytes != 0);
    number("swap", limits.memory_swap_bytes, limits.memory_swap_bytes != 0);
    w.EndObject();
  }
  bool bandwidth = limits.cpu_quota != 0 || limits.cpu_period != 0;  // always as a pair
  if (bandwidth || limits.cpu_shares != 0 || !limits.cpuset_cpus.empty() || !limits.cpuset_mems.empty()) {
    w.Key("cpu");
    w.BeginObject();
    number("shares", static_cast<int64_t>(limits.cpu_shares), limits.cpu_shares != 0);
    number("quota", limits.cpu_quota, bandwidth);
    number("period", static_cast<int64_t>(limits.cpu_period), bandwidth);
    if (!limits.cpuset_cpus.empty()) Text(w, "cpus", limits.cpuset_cpus);
    if (!limits.cpuset_mems.empty()) Text(w, "mems", limits.cpuset_mems);
    w.EndObject();
  }
  w.EndObject();
}

void WriteRule(GoJsonWriter& w, const SeccompRule& rule) {
  w.BeginObject();
  w.Key("names");
  w.BeginArray();
  if (rule.name != nullptr) w.String(rule.name);
  for (const char* name : rule.names) w.String(name);
  w.EndArray();
  Text(w, "action", rule.error_number == 0 ? "SCMP_ACT_ALLOW" : "SCMP_ACT_ERRNO");
  if (rule.error_number != 0) {
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
    Text(w, "op", rule.comparison);
    w.EndObject();
    w.EndArray();
  }
  w.EndObject();
}

void WriteSeccomp(GoJsonWriter& w, const SeccompContext& context) {
  w.Key("seccomp");
  w.BeginObject();
  Text(w, "defaultAction", "SCMP_ACT_ERRNO");
  w.Key("defaultErrnoRet");
  w.Int(1);
  std::vector<std::string> arches;
  if (const SeccompArch* row = FindSeccompArch(context.arch)) {
    for (const char* name : row->names) {
      if (name != nullptr) arches.emplace_back(name);
    }
  }
  Strings(w, "architectures", arches);
  w.Key("syscalls");
  w.BeginArray();
  for (const SeccompRule& rule : SeccompRules()) {
    if (Applies(rule, context)) WriteRule(w, rule);
  }
  w.EndArray();
  w.EndObject();
}

void WriteDevices(GoJsonWriter& w, const std::vector<SpecDevice>& devices) {
  if (devices.empty()) return;
  w.Key("devices");
  w.BeginArray();
  for (const SpecDevice& device : devices) {
    w.BeginObject();
    Text(w, "path", device.path);
    Text(w, "type", device.type);
    w.Key("major");
    w.Int(device.major);
    w.Key("minor");
    w.Int(device.minor);
    if (device.mode) Number(w, "fileMode", *device.mode);
    if (device.uid) Number(w, "uid", *device.uid);
    if (device.gid) Number(w, "gid", *device.gid);
    w.EndObject();
  }
  w.EndArray();
}

void WriteNetDevices(GoJsonWriter& w, const std::map<std::string, std::string>& devices) {
  if (devices.empty()) return;
  w.Key("netDevices");
  w.BeginObject();
  for (const auto& [host, name] : devices) {
    w.Key(host);
    w.BeginObject();
    Text(w, "name", name);
    w.EndObject();
  }
  w.EndObject();
}

void WriteRdt(GoJsonWriter& w, const exec::IntelRdt& rdt) {
  w.Key("intelRdt");
  w.BeginObject();
  auto text = [&](const char* key, const std::string& value) {
    if (!value.empty()) Text(w, key, value);
  };
  text("closID", rdt.closid);
  Strings(w, "schemata", rdt.schemata);
  text("l3CacheSchema", rdt.l3_cache_schema);
  text("memBwSchema", rdt.mem_bw_schema);
  if (rdt.enable_monitoring) {
    w.Key("enableMonitoring");
    w.Bool(true);
  }
  w.EndObject();
}

void WriteHooks(GoJsonWriter& w, const std::map<std::string, std::vector<exec::Hook>>& hooks) {
  if (hooks.empty()) return;
  w.Key("hooks");
  w.BeginObject();
  for (const auto& [name, list] : hooks) {
    w.Key(name);
    w.BeginArray();
    for (const exec::Hook& hook : list) {
      w.BeginObject();
      Text(w, "path", hook.path);
      Strings(w, "args", hook.args);
      Strings(w, "env", hook.env);
      if (hook.timeout_s) Number(w, "timeout", *hook.timeout_s);
      w.EndObject();
    }
    w.EndArray();
  }
  w.EndObject();
}

void WriteLinux(GoJsonWriter& w, const Spec& spec) {
  w.Key("linux");
  w.BeginObject();
  if (spec.resources) WriteResources(w, *spec.resources);
  if (!spec.cgroups_path.empty()) Text(w, "cgroupsPath", spec.cgroups_path);
  w.Key("namespaces");
  w.BeginArray();
  for (const std::string& type : spec.namespaces) {
    w.BeginObject();
    Text(w, "type", type);
    if (type == "network" && !spec.network_namespace.empty()) Text(w, "path", spec.network_namespace);
    w.EndObject();
  }
  w.EndArray();
  WriteDevices(w, spec.devices);
  WriteNetDevices(w, spec.net_devices);
  if (spec.seccomp) WriteSeccomp(w, *spec.seccomp);
  Strings(w, "maskedPaths", spec.masked_paths);
  Strings(w, "readonlyPaths", spec.readonly_paths);
  if (spec.rdt) WriteRdt(w, *spec.rdt);
  w.EndObject();
}

}  // namespace

std::string ProcessJson(const Spec& spec) {
  GoJsonWriter w;
  WriteProcess(w, spec);
  return w.Take();
}

std::string SpecJson(const Spec& spec) {
  GoJsonWriter w;
  w.BeginObject();
  Text(w, "ociVersion", spec.version);
  w.Key("process");
  WriteProcess(w, spec);
  w.Key("root");
  w.BeginObject();
  Text(w, "path", spec.root_path);
  if (spec.readonly_root) {
    w.Key("readonly");
    w.Bool(true);
  }
  w.EndObject();
  Text(w, "hostname", spec.hostname);
  w.Key("mounts");
  w.BeginArray();
  for (const SpecMount& mount : spec.mounts) {
    w.BeginObject();
    Text(w, "destination", mount.destination);
    if (!mount.type.empty()) Text(w, "type", mount.type);
    Text(w, "source", mount.source);
    Strings(w, "options", mount.options);
    w.EndObject();
  }
  w.EndArray();
  if (!spec.seccomp_program.empty()) {
    w.Key("annotations");
    w.BeginObject();
    Text(w, "run.oci.seccomp_bpf_data", Base64Encode(spec.seccomp_program));  // crun(1)
    w.EndObject();
  }
  WriteHooks(w, spec.hooks);
  WriteLinux(w, spec);
  w.EndObject();
  return w.Take();
}

}  // namespace bk::oci
