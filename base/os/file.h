// Whole files and small file-system chores, by path. For trusted paths only (our own state, configuration); anything
// below an untrusted root goes through RootDir (root_path.h). All calls may block. Thread-safe.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/os/unique_fd.h"
#include "base/status.h"

namespace bk::os {

// Fails with ResourceExhausted above `limit_bytes`.
absl::StatusOr<std::string> ReadFile(const std::string& path, uint64_t limit_bytes = 1 << 30);
absl::StatusOr<std::string> ReadAll(int fd, uint64_t limit_bytes = 1 << 30);
// Writes all of `bytes`, retrying short writes and EINTR.
absl::Status WriteAll(int fd, std::string_view bytes);
absl::Status WriteFile(const std::string& path, std::string_view bytes, unsigned mode);
// Temporary file beside it, optional fsync, rename: readers see the old or the new bytes, never part of them.
absl::Status WriteFileAtomic(const std::string& path, std::string_view bytes, unsigned mode, bool durable);
absl::StatusOr<UniqueFd> Open(const std::string& path, int flags, unsigned mode = 0);
// mkdir -p; existing directories are left as they are. `mode` for every directory made.
absl::Status MakeDirs(const std::string& path, unsigned mode);
// Removes a tree without following links; missing is fine. Iterative (depth is not limited by the stack).
absl::Status RemoveAll(const std::string& path);
absl::StatusOr<std::vector<std::string>> ListDir(const std::string& path);  // sorted, without . and ..
bool Exists(const std::string& path);                                       // lstat succeeds
absl::StatusOr<std::string> ReadLink(const std::string& path);
std::string JoinPath(std::string_view a, std::string_view b);
// Go's path.Clean ("" → ".").
std::string CleanPath(std::string_view path);
std::string DirName(std::string_view path);   // Go's path.Dir
std::string BaseName(std::string_view path);  // Go's path.Base

// A directory that is removed with its contents at scope exit.
class TempDir {
 public:
  // Below `parent`, or $TMPDIR (/tmp) when empty; the name begins with `prefix`.
  static absl::StatusOr<TempDir> Make(std::string_view prefix, const std::string& parent = "");
  TempDir() = default;
  TempDir(TempDir&& other) noexcept : path_(std::exchange(other.path_, {})) {}
  TempDir& operator=(TempDir&& other) noexcept {
    std::swap(path_, other.path_);
    return *this;
  }
  ~TempDir();
  const std::string& path() const { return path_; }
  std::string Release() { return std::exchange(path_, {}); }  // keeps the directory

 private:
  std::string path_;
};

}  // namespace bk::os
