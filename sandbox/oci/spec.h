// A step's OCI runtime configuration as a value and as text (golden exec/spec): pure functions of what the executor found.
//
// Rules: OCI runtime-spec 1.x, the reference's executor/oci. Thread-safe.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "sandbox/oci/host.h"
#include "sandbox/oci/process.h"
#include "sandbox/oci/user.h"

namespace bk::oci {

struct SpecMount {
  std::string destination, type, source;
  std::vector<std::string> options;
  bool operator==(const SpecMount&) const = default;
};

struct DeviceRule {
  bool allow = false;
  std::string type;  // "c", "b", "" = all
  std::string access;
  std::optional<int64_t> major, minor;  // absent: all
};
struct SpecDevice {
  std::string path, type;
  int64_t major = 0, minor = 0;
  std::optional<uint32_t> mode, uid, gid;
};
struct SpecResources {
  std::vector<DeviceRule> devices;
  exec::Resources limits;
};

struct Spec {
  std::string version;
  std::vector<std::string> args, env;
  std::string cwd, hostname, root_path;
  bool terminal = false, readonly_root = false;
  uint32_t uid = 0, gid = 0;
  std::vector<uint32_t> additional_gids;
  std::vector<std::string> capabilities;          // bounding, effective, permitted
  std::vector<std::string> ambient_capabilities;  // ambient, inheritable
  std::vector<exec::Ulimit> rlimits;
  std::vector<SpecMount> mounts;
  std::string cgroups_path;                // "" = none
  std::optional<SpecResources> resources;  // absent in rootless
  std::vector<SpecDevice> devices;
  std::vector<std::string> namespaces;
  std::string network_namespace;  // path of the one to join; "" = a new one, if `namespaces` has it
  std::optional<SeccompContext> seccomp;  // absent: unconfined
  std::string seccomp_program;            // of `seccomp`, for a runtime that takes it ready-made (crun); "" = it makes its own
  std::vector<std::string> masked_paths, readonly_paths;
  std::map<std::string, std::vector<exec::Hook>> hooks;  // by the specification's names
  std::map<std::string, std::string> net_devices;        // by the host's name: the container's
  std::optional<exec::IntelRdt> rdt;
};

// The reference's version of the specification, and the newest that crun 1.8 takes; nothing here needs more than the latter.
inline constexpr char kSpecVersion[] = "1.3.0", kOldSpecVersion[] = "1.0.2";

struct SpecInput {
  const exec::ProcessSpec* process = nullptr;
  User user;
  std::string id;
  std::string root_path;
  std::string cgroup_parent;       // the daemon's, "" = none; the step's own goes before it
  std::string resolv_conf, hosts;  // files to mount
  std::vector<SpecMount> mounts;   // of the step, in order
  bool rootless = false;
  bool process_sandbox = true;
  bool device_filter = true;
  bool no_network = false;   // of steps that do not ask for one
  std::string network_namespace;  // of those, when they share no host's: its path
  bool old_version = false;  // for a runtime that takes kOldSpecVersion only
  HostFacts host;
};

// NotFound for a bind whose source is not there (in a user namespace, where its flags are needed).
absl::StatusOr<Spec> MakeSpec(const SpecInput& input);
// config.json.
std::string SpecJson(const Spec& spec);
// Its process alone, for one that joins a container (runc exec --process).
std::string ProcessJson(const Spec& spec);

// Puts `edits` into what was made so far. `device_filter`: the runtime restricts devices, so new ones are allowed one by one.
void ApplyEdits(const exec::ContainerEdits& edits, bool device_filter, Spec& spec);

// Supplementary groups of the spec: the main group first, unless it is among them anyway.
std::vector<uint32_t> AdditionalGroups(const User& user);
// /PARENT/buildkit/ID, or SLICE:PREFIX:ID for a systemd slice that ends with a colon.
std::string CgroupPath(const std::string& parent, const std::string& id);

// What a runtime without root may not do: mounts whose target begins with the text "/sys", the cgroup, resource limits.
void MakeRootless(Spec& spec);
// In a user namespace flags of a bind's source that it must not lose (mount_namespaces(7), "locked") are added to its
// options. NotFound when a source is not there.
absl::Status KeepLockedFlags(std::vector<SpecMount>& mounts);

}  // namespace bk::oci
