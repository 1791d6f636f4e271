// Which ids the namespace gets, and giving them to it with the set-user-ID tools newuidmap(1) and newgidmap(1).
#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

#include "base/os/userns.h"
#include "base/status.h"

namespace bk::rootlesskit {

struct IdMaps {
  std::vector<os::IdMapLine> uids, gids;
};

// For the calling user. `source`: "static" reads /etc/subuid and /etc/subgid, "dynamic" asks getsubids, "auto" the second
// and, if that has nothing, the first. kNoSubIds (with the line to add) when the user has no ranges.
absl::StatusOr<IdMaps> ComputeIdMaps(const std::string& source);
// Runs both tools for `pid`. kMapTool with cause and fix when one is missing or has no privileges.
absl::Status WriteIdMaps(pid_t pid, const IdMaps& maps);

// What is wrong with a tool that exists and failed; "" if nothing that is known.
struct MapToolFacts {
  std::string path;
  bool set_user_id = true;    // or file capabilities
  bool nosuid_mount = false;  // its file system is mounted nosuid
  bool no_new_privileges = false;
};
std::string ExplainMapTool(const MapToolFacts& facts);

}  // namespace bk::rootlesskit
