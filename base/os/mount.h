// Mounts as values and as owned things. Mount is containerd's vocabulary: type, source, target, options as in fstab.
#pragma once

#include <string>
#include <vector>

#include "base/cancel.h"
#include "base/status.h"

namespace bk::os {

// How to make a directory visible; not mounted yet. `type` "bind" needs only `source`; "overlay" has lowerdir=… etc.
struct Mount {
  std::string type;
  std::string source;
  std::vector<std::string> options;  // "ro", "rbind", "lowerdir=…"
  bool operator==(const Mount&) const = default;
  bool readonly() const;
};

// mount(2) of one Mount on an existing target. Options as fstab's words; binds are remounted for ro (twice-mount rule of
// mount(2)); unknown words go to the file system as data. "fuse3.fuse-overlayfs" and other helpers run their program.
absl::Status MountAt(const Mount& mount, const std::string& target);
// All of them in order; what was mounted is undone on failure.
absl::Status MountAllAt(const std::vector<Mount>& mounts, const std::string& target);
// umount2 of everything stacked on `target`. Missing or not mounted is fine. `lazy` adds MNT_DETACH.
absl::Status UnmountAll(const std::string& target, bool lazy = false);

// One line of /proc/self/mountinfo (proc(5)).
struct MountInfo {
  int id, parent;
  std::string root, mount_point, options, type, source, super_options;
};
absl::StatusOr<std::vector<MountInfo>> ReadMountInfo();

// A temporary directory with mounts on it: unmounted and removed at scope exit.
class TempMount {
 public:
  // Mounts below a fresh directory (in $TMPDIR or `parent`).
  static absl::StatusOr<TempMount> Make(const std::vector<Mount>& mounts, const std::string& parent = "");
  // Takes over a mount that stands on `path`, an empty file or directory of its own.
  static absl::StatusOr<TempMount> Adopt(const std::string& path);
  TempMount() = default;
  TempMount(TempMount&& other) noexcept : path_(std::exchange(other.path_, {})), owned_(other.owned_) {}
  TempMount& operator=(TempMount&& other) noexcept {
    std::swap(path_, other.path_);
    std::swap(owned_, other.owned_);
    return *this;
  }
  ~TempMount();
  const std::string& path() const { return path_; }

 private:
  std::string path_;
  bool owned_ = true;  // false: a plain directory that needed no mount
};

}  // namespace bk::os
