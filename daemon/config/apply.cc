#include "daemon/config/apply.h"

#include <grp.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <limits>

#include "base/go_parse.h"
#include "base/log.h"
#include "base/platform.h"
#include "base/unicode.h"
#include "daemon/config/gc.h"

namespace bk::config {
namespace {

template <typename T, typename U>
void Take(const Table& table, const char* key, U& into) {
  if (const T* value = Get<T>(table, key)) into = *value;
}

const Table& Sub(const Table& table, const char* key) {
  static const Table none;
  const Table* found = Get<Table>(table, key);
  return found == nullptr ? none : *found;
}

absl::Status TakeId(const Table& table, const char* key, std::optional<uint32_t>& into) {
  const int64_t* id = Get<int64_t>(table, key);
  if (id == nullptr) return absl::OkStatus();
  if (*id < 0 || *id > std::numeric_limits<uint32_t>::max()) return InvalidArgument("grpc.", key, " ", *id, " is no user or group id");
  into = static_cast<uint32_t>(*id);
  return absl::OkStatus();
}

absl::StatusOr<int> Parallelism(int64_t number) {
  if (number < 0 || number > std::numeric_limits<int>::max()) return InvalidArgument("max-parallelism ", number, " must be 0 (any number) or more");
  return static_cast<int>(number);
}

constexpr size_t kInterfaceName = 15;  // bytes, netdevice(7)
constexpr int64_t kMostNetworks = 1000;

absl::StatusOr<int> PoolSize(int64_t number) {
  if (number < 0 || number > kMostNetworks) return InvalidArgument("a pool of ", number, " networks (0 to ", kMostNetworks, ")");
  return static_cast<int>(number);
}

GcPolicyText ReadRule(const Table& from) {
  GcPolicyText rule;
  Take<bool>(from, "all", rule.all);
  Take<std::vector<std::string>>(from, "filters", rule.filters);
  if (const auto* age = Get<Nanoseconds>(from, "keepDuration")) rule.keep_duration_ns = age->ns;
  Take<DiskSpace>(from, "keepBytes", rule.reserved);
  Take<DiskSpace>(from, "reservedSpace", rule.reserved);
  Take<DiskSpace>(from, "maxUsedSpace", rule.max_used);
  Take<DiskSpace>(from, "minFreeSpace", rule.min_free);
  return rule;
}

absl::Status ApplyWorker(const Table& from, OciWorker& worker) {
  Take<bool>(from, "enabled", worker.enabled);
  Take<StringMap>(from, "labels", worker.labels);
  Take<std::vector<std::string>>(from, "platforms", worker.platforms);
  Take<std::string>(from, "snapshotter", worker.snapshotter);
  Take<std::string>(from, "binary", worker.binary);
  Take<bool>(from, "rootless", worker.rootless);
  Take<bool>(from, "noProcessSandbox", worker.no_process_sandbox);
  Take<std::string>(from, "networkMode", worker.network_mode);
  Take<std::string>(from, "cniConfigPath", worker.cni_config);
  Take<std::string>(from, "cniBinaryPath", worker.cni_plugin_dir);
  if (const int64_t* number = Get<int64_t>(from, "cniPoolSize")) BK_ASSIGN(worker.cni_pool_size, PoolSize(*number));
  Take<std::string>(from, "bridgeName", worker.bridge_name);
  Take<std::string>(from, "bridgeSubnet", worker.bridge_subnet);
  Take<std::string>(from, "defaultCgroupParent", worker.cgroup_parent);
  if (const int64_t* number = Get<int64_t>(from, "max-parallelism")) BK_ASSIGN(worker.max_parallelism, Parallelism(*number));
  Take<bool>(from, "gc", worker.gc);
  Take<DiskSpace>(from, "reservedSpace", worker.gc_reserved);
  Take<DiskSpace>(from, "maxUsedSpace", worker.gc_max_used);
  Take<DiskSpace>(from, "minFreeSpace", worker.gc_min_free);
  // The old name counts only where no new one stands.
  bool unset = worker.gc_reserved == DiskSpace{} && worker.gc_max_used == DiskSpace{} && worker.gc_min_free == DiskSpace{};
  if (unset) Take<DiskSpace>(from, "gckeepstorage", worker.gc_reserved);
  if (const auto* rules = Get<std::vector<Table>>(from, "gcpolicy")) {
    worker.gc_policies.clear();
    for (const Table& rule : *rules) worker.gc_policies.push_back(ReadRule(rule));
  }
  return absl::OkStatus();
}

// What the table leaves out is 0, as the original has it.
absl::StatusOr<HistoryLimits> ReadHistory(const Table& from) {
  HistoryLimits limits{0, 0};
  if (const auto* age = Get<Nanoseconds>(from, "maxAge")) limits.max_age_ns = age->ns;
  Take<int64_t>(from, "maxEntries", limits.max_entries);
  if (limits.max_entries < 0) return InvalidArgument("history.maxEntries ", limits.max_entries, " must be 0 or more");
  return limits;
}

RegistryHost ReadRegistry(const Table& from) {
  RegistryHost host;
  Take<std::vector<std::string>>(from, "mirrors", host.mirrors);
  Take<bool>(from, "http", host.http);
  Take<bool>(from, "insecure", host.insecure);
  Take<std::vector<std::string>>(from, "ca", host.ca_files);
  Take<std::vector<std::string>>(from, "tlsconfigdir", host.tls_config_dirs);
  if (const auto* pairs = Get<std::vector<Table>>(from, "keypair")) {
    for (const Table& pair : *pairs) {
      std::string key, certificate;
      Take<std::string>(pair, "key", key);
      Take<std::string>(pair, "cert", certificate);
      host.key_pairs.emplace_back(key, certificate);
    }
  }
  return host;
}

absl::Status CheckWorker(const OciWorker& worker, bool user_namespace) {
  if (worker.enabled.has_value() && !*worker.enabled) return InvalidArgument("no worker found: the OCI worker is the only one built (leave out --oci-worker=false)");
  const char* const snapshotters[] = {"auto", "overlayfs", "fuse-overlayfs", "native"};
  if (worker.snapshotter == "stargz") return Unimplemented("snapshotter \"stargz\" is not built yet (use auto, overlayfs, fuse-overlayfs or native)");
  if (std::find(std::begin(snapshotters), std::end(snapshotters), worker.snapshotter) == std::end(snapshotters)) {
    return InvalidArgument("unknown snapshotter name: ", Quote(worker.snapshotter), " (use auto, overlayfs, fuse-overlayfs or native)");
  }
  const char* const modes[] = {"auto", "bridge", "cni", "host", "none"};
  if (std::find(std::begin(modes), std::end(modes), worker.network_mode) == std::end(modes)) {
    return InvalidArgument("invalid network mode: ", Quote(worker.network_mode), " (use auto, bridge, cni, host or none)");
  }
  if (worker.bridge_name.empty() || worker.bridge_name.size() > kInterfaceName || worker.bridge_name.find_first_of("/ \t\n") != std::string::npos) {
    return InvalidArgument("bridge name ", Quote(worker.bridge_name), " is no name of an interface (1 to ", kInterfaceName, " bytes without / and blanks)");
  }
  if (worker.rootless && !user_namespace) {
    return InvalidArgument("rootless mode requires to be executed as the mapped root in a user namespace; you may use RootlessKit for setting up the namespace");
  }
  if (worker.no_process_sandbox && !worker.rootless) return InvalidArgument("can't enable NoProcessSandbox without Rootless");
  for (const std::string& text : worker.platforms) BK_RETURN_IF_ERROR(ParsePlatform(text));
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<StringMap> ParseLabels(const std::vector<std::string>& texts) {
  StringMap labels;
  for (const std::string& text : texts) {
    size_t equals = text.find('=');
    if (equals == std::string::npos) return InvalidArgument("invalid value ", text);
    labels[text.substr(0, equals)] = text.substr(equals + 1);
  }
  return labels;
}

absl::StatusOr<std::optional<bool>> ParseBoolOrAuto(const std::string& text) {
  if (text.empty() || EqualFold(text, "auto")) return std::optional<bool>();
  BK_TRY(bool value, ParseBool(text));
  return std::optional<bool>(value);
}

absl::StatusOr<int64_t> ParseGroup(const std::string& text) {
  if (text.empty()) return static_cast<int64_t>(getegid());
  auto number = ParseInt(text);
  if (number.ok()) return *number;
  if (Message(number.status()).ends_with("out of range")) return InvalidArgument("strconv.Atoi: parsing ", Quote(text), ": value out of range");
  group entry;
  group* found = nullptr;
  std::string buffer(64 << 10, '\0');
  getgrnam_r(text.c_str(), &entry, buffer.data(), buffer.size(), &found);
  if (found == nullptr) return InvalidArgument("group: unknown group ", text);
  return static_cast<int64_t>(found->gr_gid);
}

absl::Status ApplyFile(const Table& table, Config& config) {
  bool debug = false;
  Take<std::string>(Sub(table, "log"), "level", config.log_level);
  Take<std::string>(Sub(table, "log"), "format", config.log_format);
  Take<bool>(table, "debug", debug);
  if (debug) config.log_level = "debug";
  Take<std::string>(table, "root", config.root);
  Take<std::vector<std::string>>(table, "insecure-entitlements", config.entitlements);
  const Table& grpc = Sub(table, "grpc");
  Take<std::vector<std::string>>(grpc, "address", config.addresses);
  BK_RETURN_IF_ERROR(TakeId(grpc, "uid", config.socket_uid));
  BK_RETURN_IF_ERROR(TakeId(grpc, "gid", config.socket_gid));
  Take<std::string>(Sub(grpc, "tls"), "cert", config.tls.certificate);
  Take<std::string>(Sub(grpc, "tls"), "key", config.tls.key);
  Take<std::string>(Sub(grpc, "tls"), "ca", config.tls.ca);
  Take<std::string>(Sub(table, "otel"), "socketPath", config.otel_socket_path);
  const Table& cdi = Sub(table, "cdi");
  Take<bool>(cdi, "disabled", config.cdi_disabled);
  Take<std::vector<std::string>>(cdi, "specDirs", config.cdi_spec_dirs);
  Take<std::vector<std::string>>(cdi, "autoAllowed", config.cdi_auto_allowed);
  const Table& frontends = Sub(table, "frontend");
  Take<bool>(Sub(frontends, "dockerfile.v0"), "enabled", config.dockerfile_frontend);
  Take<bool>(Sub(frontends, "gateway.v0"), "enabled", config.image_frontends);
  Take<std::vector<std::string>>(Sub(frontends, "gateway.v0"), "allowedRepositories", config.allowed_frontends);
  if (const int64_t* transfers = Get<int64_t>(Sub(table, "system"), "maxRegistryConcurrency")) {
    if (*transfers <= 0) return InvalidArgument("maxRegistryConcurrency must be greater than zero; set to ", *transfers, " in the configuration file");
    config.max_registry_transfers = *transfers;
  }
  if (const Table* history = Get<Table>(table, "history")) BK_ASSIGN(config.history, ReadHistory(*history));
  const Table& dns = Sub(table, "dns");
  Take<std::vector<std::string>>(dns, "nameservers", config.dns.nameservers);
  Take<std::vector<std::string>>(dns, "options", config.dns.options);
  Take<std::vector<std::string>>(dns, "searchDomains", config.dns.search_domains);
  for (const auto& [name, registry] : Sub(table, "registry")) {
    if (const Table* host = std::get_if<Table>(&registry.data)) config.registries[name] = ReadRegistry(*host);
  }
  return ApplyWorker(Sub(Sub(table, "worker"), "oci"), config.oci);
}

absl::Status ApplyFlags(const flags::Values& values, Config& config) {
  auto text = [&](const char* flag, std::string& into) {
    if (values.IsSet(flag)) into = values.String(flag);
  };
  auto list = [&](const char* flag, std::vector<std::string>& into) {
    if (values.IsSet(flag)) into = values.Strings(flag);
  };
  auto yes = [&](const char* flag, bool& into) {
    if (values.IsSet(flag)) into = values.Bool(flag);
  };
  OciWorker& worker = config.oci;
  text("root", config.root);
  list("addr", config.addresses);
  text("log-format", config.log_format);
  text("log-level", config.log_level);
  if (values.Bool("debug")) config.log_level = "debug";
  text("tlscert", config.tls.certificate);
  text("tlskey", config.tls.key);
  text("tlscacert", config.tls.ca);
  yes("rootless", config.rootless);
  if (values.IsSet("group")) {
    BK_TRY(int64_t gid, ParseGroup(values.String("group")));
    if (gid < 0 || gid > std::numeric_limits<uint32_t>::max()) return InvalidArgument("--group=", gid, " is no group id");
    config.socket_gid = static_cast<uint32_t>(gid);
  }
  list("allow-insecure-entitlement", config.entitlements);
  text("otel-socket-path", config.otel_socket_path);
  yes("cdi-disabled", config.cdi_disabled);
  list("cdi-spec-dir", config.cdi_spec_dirs);
  config.drain_timeout_ms = values.DurationNs("drain-timeout") / 1'000'000;
  if (values.IsSet("oci-worker")) BK_ASSIGN(worker.enabled, ParseBoolOrAuto(values.String("oci-worker")));
  if (values.IsSet("containerd-worker")) {
    BK_TRY(std::optional<bool> wanted, ParseBoolOrAuto(values.String("containerd-worker")));
    if (wanted.value_or(false)) return Unimplemented("the containerd worker is not built yet (leave out --containerd-worker=true)");
  }
  if (values.IsSet("oci-worker-labels")) BK_ASSIGN(worker.labels, ParseLabels(values.Strings("oci-worker-labels")));
  list("oci-worker-platform", worker.platforms);
  text("oci-worker-snapshotter", worker.snapshotter);
  text("oci-worker-binary", worker.binary);
  text("oci-worker-net", worker.network_mode);
  text("oci-cni-config-path", worker.cni_config);
  text("oci-cni-binary-dir", worker.cni_plugin_dir);
  if (values.IsSet("oci-cni-pool-size")) BK_ASSIGN(worker.cni_pool_size, PoolSize(values.Int("oci-cni-pool-size")));
  yes("oci-worker-rootless", worker.rootless);
  yes("oci-worker-no-process-sandbox", worker.no_process_sandbox);
  if (values.IsSet("oci-max-parallelism")) BK_ASSIGN(worker.max_parallelism, Parallelism(values.Int("oci-max-parallelism")));
  yes("oci-worker-gc", worker.gc);
  if (values.IsSet("oci-worker-gc-keepstorage")) BK_RETURN_IF_ERROR(SetGcFromFlag(values.String("oci-worker-gc-keepstorage"), worker));
  return absl::OkStatus();
}

absl::Status Check(const Config& config, const Surroundings& here) {
  if (config.log_format != "text" && config.log_format != "json") return InvalidArgument("unsupported log type ", Quote(config.log_format), " (use text or json)");
  BK_RETURN_IF_ERROR(log::ParseLevel(config.log_level));
  if (config.rootless && !here.in_user_namespace) {
    return InvalidArgument("rootless mode requires to be executed as the mapped root in a user namespace; you may use RootlessKit for setting up the namespace");
  }
  if (config.drain_timeout_ms < 0) return InvalidArgument("--drain-timeout must not be negative");
  for (const std::string& entitlement : config.entitlements) {
    if (entitlement != "network.host" && entitlement != "security.insecure" && entitlement != "device") {
      return InvalidArgument("invalid entitlement : ", entitlement, " (use network.host, security.insecure or device, one a flag)");
    }
  }
  return CheckWorker(config.oci, here.in_user_namespace);
}

}  // namespace bk::config
