// Targets of mounts that were not in the root before: removed after the run, so that no layer shows them (trap 24).
//
// Only what is still empty goes, links are never followed (CVE-2024-23652), and parents get their times back.
#pragma once

#include <string>
#include <vector>

#include "base/os/root_path.h"

namespace bk::exec {

class MountStubs {
 public:
  // Notes which of `targets` (and /etc/hosts, /etc/resolv.conf) do not exist yet. `recursive`: their missing parents too.
  static MountStubs Note(const os::RootDir& root, std::vector<std::string> targets, bool recursive);
  void Remove(const os::RootDir& root) const;

 private:
  std::vector<std::string> missing_;  // resolved inside the root, deepest first per target
};

}  // namespace bk::exec
