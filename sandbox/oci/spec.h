// A step's OCI runtime configuration as text (golden exec/spec): a pure function of what the executor found out.
//
// Rules: OCI runtime-spec 1.x, the reference's executor/oci. Thread-safe.
#pragma once

#include <string>
#include <vector>

#include "sandbox/oci/process.h"
#include "sandbox/oci/user.h"

namespace bk::oci {

struct SpecMount {
  std::string destination, type, source;
  std::vector<std::string> options;
};

struct SpecInput {
  const exec::ProcessSpec* process = nullptr;
  User user;
  std::string root_path;
  std::string cgroup_path;  // "" = none (rootless)
  std::string resolv_conf, hosts;  // files to mount
  std::vector<SpecMount> mounts;   // of the step, in its order
  bool rootless = false;
  bool cgroup2_alone = false;  // /sys/fs/cgroup is cgroup2: a cgroup namespace of its own makes sense
  bool device_filter = true;
  bool process_sandbox = true;
};

// config.json.
std::string MakeSpec(const SpecInput& input);

}  // namespace bk::oci
