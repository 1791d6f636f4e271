// What the machine under a step offers, found out once; tests give values of their own.
#pragma once

#include <string>
#include <vector>

#include "sandbox/oci/seccomp_profile.h"

namespace bk::oci {

struct HostFacts {
  // cgroup2 itself stands at /sys/fs/cgroup: then a cgroup namespace of its own makes sense (v1 refuses the mount).
  bool cgroup2_alone = false;
  bool user_namespace = false;  // this process is in one that is not the initial one
  std::vector<std::string> capabilities;  // this process's effective ones, in number order
  SeccompContext seccomp;                 // machine and kernel
  int free_loop = 0;                      // loop devices up to seven beyond it are given to insecure steps
};

HostFacts FindHostFacts();
// "CAP_CHOWN", …; index is the kernel's number.
const std::vector<const char*>& CapabilityNames();

}  // namespace bk::oci
