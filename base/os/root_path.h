// Paths below an untrusted root (an image, a snapshot, a context): resolved inside it, whatever links say.
//
// Every access goes through openat2(RESOLVE_IN_ROOT), so `..`, absolute links and links swapped by another process stay
// inside (CVE-2024-23651, CVE-2024-23652). Names are relative or absolute; both start at the root. Thread-safe.
#pragma once

#include <sys/stat.h>

#include <string>
#include <string_view>
#include <vector>

#include "base/os/unique_fd.h"
#include "base/status.h"

namespace bk::os {

class RootDir {
 public:
  static absl::StatusOr<RootDir> Open(const std::string& path);
  // Takes an O_PATH or directory descriptor.
  static RootDir FromFd(UniqueFd fd, std::string path) { return RootDir(std::move(fd), std::move(path)); }
  RootDir(RootDir&&) = default;
  RootDir& operator=(RootDir&&) = default;

  int fd() const { return fd_.get(); }
  const std::string& path() const { return path_; }  // for messages only

  // openat2 below the root; a final link is followed unless `flags` has O_NOFOLLOW. Retries EAGAIN of a racing rename.
  absl::StatusOr<UniqueFd> OpenAt(std::string_view name, int flags, unsigned mode = 0) const;
  absl::StatusOr<struct stat> Stat(std::string_view name) const;   // follows a final link
  absl::StatusOr<struct stat> Lstat(std::string_view name) const;  // does not
  absl::StatusOr<std::string> ReadLink(std::string_view name) const;
  // A regular file of at most `limit_bytes` (InvalidArgument for other kinds, ResourceExhausted above the limit).
  absl::StatusOr<std::string> ReadFile(std::string_view name, uint64_t limit_bytes) const;

  // The parent directory of `name` (links in it resolved) opened O_PATH, and the last component, which is never "", "."
  // or ".." (InvalidArgument). What every change of an entry (unlink, rename, mknod, link) starts with.
  struct Parent {
    UniqueFd fd;
    std::string name;
  };
  absl::StatusOr<Parent> OpenParent(std::string_view name) const;
  // mkdir -p below the root; existing directories (also through links) stay. Returns the directories made, outermost first.
  absl::StatusOr<std::vector<std::string>> MakeDirs(std::string_view name, unsigned mode, uid_t uid, gid_t gid) const;
  // The path inside the root with all links resolved, beginning with "/"; missing trailing parts stay as they are.
  absl::StatusOr<std::string> Resolve(std::string_view name) const;

 private:
  RootDir(UniqueFd fd, std::string path) : fd_(std::move(fd)), path_(std::move(path)) {}
  UniqueFd fd_;
  std::string path_;
};

}  // namespace bk::os
