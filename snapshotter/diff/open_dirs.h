// Directories below a root that were opened lately, so that a run of entries in one directory resolves its path once.
//
// Only for a tree that nobody else changes, and who changes it forgets (Forget) whenever a directory or a link goes: then
// what was opened without a link on its way is still what its path names. Belongs to one thread.
#pragma once

#include <string>
#include <string_view>
#include <unordered_map>

#include "base/os/root_path.h"

namespace bk::diff {

class OpenDirs {
 public:
  // The root must outlive it.
  explicit OpenDirs(const os::RootDir& root) : root_(root) {}
  // The directory `path` (clean, below the root), open as O_PATH until the next call; -1 unless all of it are directories
  // that are there: links, missing parts and ".." are the business of RootDir.
  int Find(std::string_view path);
  void Forget() { open_.clear(); }

 private:
  const os::RootDir& root_;
  std::unordered_map<std::string, os::UniqueFd> open_;
};

}  // namespace bk::diff
