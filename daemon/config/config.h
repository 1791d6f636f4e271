// The daemon's settings as plain values, and how they come from flags and buildkitd.toml.
//
// One table of fields (daemon/config/table.cc) gives each its TOML key, flag, default and documentation line; flags win over the
// file. Nothing is accepted and ignored: what the original has and we do not is refused by name ("… is not built yet"), anything
// else as unknown. Pure functions but for reading the file. Rules: reference cmd/buildkitd; docs/buildkitd.md lists every field.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/status.h"

namespace bk::config {

struct GcPolicy {
  std::vector<std::string> filters;
  bool all = false;
  int64_t keep_duration_ns = 0;
  int64_t reserved_bytes = 0, max_used_bytes = 0, min_free_bytes = 0;
  bool operator==(const GcPolicy&) const = default;
};

// Bytes, or a share of the disk (1 … 100); neither: not set.
struct DiskSpace {
  int64_t bytes = 0, percent = 0;
  bool operator==(const DiskSpace&) const = default;
};

struct GcPolicyText {  // as written: sizes may depend on the disk
  std::vector<std::string> filters;
  bool all = false;
  int64_t keep_duration_ns = 0;
  DiskSpace reserved, max_used, min_free;
};

struct RegistryHost {
  std::vector<std::string> mirrors;
  std::optional<bool> http, insecure;
  std::vector<std::string> ca_files;
  std::vector<std::pair<std::string, std::string>> key_pairs;  // key, certificate
  std::vector<std::string> tls_config_dirs;
};

struct Dns {  // what steps see in resolv.conf in place of the host's; an empty list changes nothing
  std::vector<std::string> nameservers, options, search_domains;
};

struct OciWorker {
  std::optional<bool> enabled;  // nothing: auto
  std::map<std::string, std::string> labels;
  std::vector<std::string> platforms;
  std::string snapshotter = "auto";
  std::string binary;
  bool rootless = false, no_process_sandbox = false;
  std::string network_mode = "auto";  // auto, host, none, cni, bridge
  std::string cni_config, cni_plugin_dir = "/opt/cni/bin";
  int cni_pool_size = 0;
  std::string bridge_name = "buildkit0", bridge_subnet = "10.10.0.0/16";
  std::string cgroup_parent;          // "" = none
  int max_parallelism = 0;            // 0: no limit
  bool gc = true;
  DiskSpace gc_reserved, gc_max_used, gc_min_free;
  std::vector<GcPolicyText> gc_policies;  // empty: the default ones
};

struct Tls {  // of TCP listeners; files in PEM, "" = none
  std::string certificate, key, ca;
};

// How long records of builds stay: one goes when it is beyond both.
struct HistoryLimits {
  int64_t max_age_ns = int64_t{48} * 3600 * 1'000'000'000;
  int64_t max_entries = 50;
};

struct Config {
  std::string root;
  std::vector<std::string> addresses;  // "unix:///…", "tcp://…", "fd://"
  Tls tls;
  std::string log_level = "info", log_format = "text";
  int64_t drain_timeout_ms = 10'000;
  bool rootless = false;
  std::optional<uint32_t> socket_uid, socket_gid;
  std::vector<std::string> entitlements;  // allowed by the operator: "network.host", "security.insecure"
  std::string otel_socket_path;
  bool otel_socket_is_default = false;  // nobody asked for that place
  bool cdi_disabled = false;
  std::vector<std::string> cdi_spec_dirs, cdi_auto_allowed;
  bool dockerfile_frontend = true, image_frontends = true;
  std::vector<std::string> allowed_frontends;  // repositories of frontend images; empty: all
  Dns dns;
  HistoryLimits history;
  OciWorker oci;
  std::map<std::string, RegistryHost> registries;
  int64_t max_registry_transfers = 4;           // with one registry at a time
  std::vector<std::string> certificate_roots;  // DIR of DIR/HOST/*.crt, *.cert and *.key
};

// Where the process finds itself; a value, so that tests can say anything.
struct Surroundings {
  std::map<std::string, std::string> env;
  uint32_t euid = 0;
  bool in_user_namespace = false;
  static Surroundings OfThisProcess();
};

struct Parsed {
  Config config;
  std::string print;  // not empty: write this to stdout and exit 0 (--help, --version)
};

// `args` without the program's name. InvalidArgument: for the user, with the fix ("Incorrect Usage: …" for flags, file, line and
// column for TOML).
absl::StatusOr<Parsed> Parse(const std::vector<std::string>& args, const Surroundings& surroundings);

// Default paths (trap 23, golden exec/defaults `paths`).
struct DefaultPaths {
  std::string root, address, config_file, cni_config, otel_socket;
  std::string certificates;  // of registries: a directory a host
  bool rootless_defaults = false;
};
DefaultPaths PathsFor(const Surroundings& surroundings);

// The policies in force on a disk of that size (golden exec/config `gc`; trap 25). Empty when garbage collection is off.
std::vector<GcPolicy> EffectivePolicies(const OciWorker& worker, int64_t disk_total_bytes, int64_t disk_free_bytes);

}  // namespace bk::config
