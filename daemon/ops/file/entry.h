// One directory entry, named by its parent's descriptor: how attributes are put on it without ever following a link.
//
// Blocks on the file system. Thread-safe (functions).
#pragma once

#include <sys/stat.h>

#include <optional>
#include <string>

#include "base/os/root_path.h"

namespace bk::ops::file {

struct Owner {
  uid_t uid = 0;
  gid_t gid = 0;
  bool operator==(const Owner&) const = default;
};

// An entry of an open directory. Borrowed: the directory outlives it.
struct Entry {
  int dir = -1;
  std::string name;  // never with a slash; "." is the directory itself
  std::string path;  // from the root, for messages

  // A path that resolves to the entry through its open directory; the last component is still a name.
  std::string ProcPath() const;
};

// nullopt when there is nothing. Does not follow a link.
absl::StatusOr<std::optional<struct stat>> LstatEntry(const Entry& entry);
absl::Status SetOwner(const Entry& entry, const Owner& owner);
absl::Status SetTimes(const Entry& entry, const timespec& access, const timespec& modify);
// Both times; nothing when `ns` is empty.
absl::Status SetTime(const Entry& entry, std::optional<int64_t> ns);
// For anything but a symbolic link. `mode`: the low twelve bits.
absl::Status SetMode(const Entry& entry, unsigned mode);
// A whole tree, no link followed; missing is fine.
absl::Status RemoveTree(const Entry& entry);
// Every extended attribute but those of overlay file systems, which describe a layer, not the file. What the target's
// file system does not take is left out.
void CopyXattrs(const Entry& from, const Entry& to);

// `what: reason` in place of whatever the failed step before the last reason was called.
absl::Status Renamed(const absl::Status& status, std::string_view what);

// The time of an action: -1 is "none".
std::optional<int64_t> ActionTime(int64_t timestamp);

}  // namespace bk::ops::file
