// Files of one directory tree as frontends ask for them: read through RootDir, so that links in it lead nowhere else.
//
// What may be read is bounded: regular files only, a message's worth of bytes, so many entries. Thread-safe.
#pragma once

#include <string>
#include <vector>

#include "base/cancel.h"
#include "base/os/root_path.h"
#include "daemon/frontend/file_stat.h"

namespace bk::frontend {

class TreeReader {
 public:
  // `path`: trusted, of the tree's root directory.
  static absl::StatusOr<TreeReader> Open(const std::string& path);

  // `length` < 0: to the end. `PATH is not a regular file` for other kinds.
  absl::StatusOr<std::string> ReadFile(const std::string& path, int64_t offset, int64_t length) const;
  // Entries of one directory, sorted; names relative to it.
  absl::StatusOr<std::vector<FileStat>> ReadDir(const CancelToken& cancel, const std::string& path, const std::string& include_pattern) const;
  // Follows links.
  absl::StatusOr<FileStat> StatFile(const std::string& path) const;

 private:
  explicit TreeReader(os::RootDir root) : root_(std::move(root)) {}
  os::RootDir root_;
};

}  // namespace bk::frontend
