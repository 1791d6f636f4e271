// Who a step runs as: USER text against the image's own /etc/passwd and /etc/group (golden exec/users).
//
// Files are read inside the root, regular files of at most 10 MiB only (GHSA-72x6). A number is a number, never a name
// (CVE-2026-46680). Thread-safe.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/os/root_path.h"

namespace bk::oci {

struct User {
  uint32_t uid = 0, gid = 0;
  std::vector<uint32_t> groups;  // supplementary, as looked up
  bool operator==(const User&) const = default;
};

absl::StatusOr<User> LookUpUser(const os::RootDir& root, const std::string& text);
// Of a name or number alone, for COPY --chown: NotFound when it is not there.
absl::StatusOr<uint32_t> LookUpUid(const os::RootDir& root, const std::string& name);
absl::StatusOr<uint32_t> LookUpGid(const os::RootDir& root, const std::string& name);

}  // namespace bk::oci
