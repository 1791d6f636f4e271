// Who a step runs as and who owns a file: names against the image's own /etc/passwd and /etc/group (golden exec/users).
//
// Files are read inside the root, regular files of at most 10 MiB only (GHSA-72x6). A number is a number, never a name
// (CVE-2026-46680). Thread-safe.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/os/root_path.h"

namespace bk::oci {

struct User {
  uint32_t uid = 0, gid = 0;
  std::vector<uint32_t> groups;  // supplementary, as looked up
  bool operator==(const User&) const = default;
};

// Of USER text: "name[:group]", "uid[:gid]" or "" (root with root's groups, whatever the files say). Unknown for a name
// that is not there and for numbers beyond 2147483647, unless both parts are numbers (then all of uint32, no look-up).
absl::StatusOr<User> LookUpUser(const os::RootDir& root, const std::string& text);

// One half of the owner that a file operation asks for: a name, looked up in `root`, or (with an empty name) an id.
struct OwnerPart {
  std::string name;
  uint32_t id = 0;
  const os::RootDir* root = nullptr;  // borrowed
};
struct FileOwner {
  int64_t uid = 0, gid = 0;  // as the file says, unchecked: may be negative
};
// A user brings its group along (a name that of its passwd line, an id itself), `group` goes before it. An unknown name
// counts as 0 and a missing file as one without names; InvalidArgument when a name comes without a root.
absl::StatusOr<FileOwner> LookUpOwner(const std::optional<OwnerPart>& user, const std::optional<OwnerPart>& group);

}  // namespace bk::oci
