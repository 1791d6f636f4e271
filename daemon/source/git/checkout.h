// A commit as a tree of files: all of it, one directory of it, or with a .git directory of its own.
//
// Files get the modes and contents that git gives them under umask 022. A path through a link or a file is refused, whatever
// it leads to (hostile 37). The shared repository is read only. All calls block.
#pragma once

#include <string>
#include <vector>

#include "daemon/source/git/shared_repository.h"

namespace bk::source {

// A commit of another repository that stands at a place in the tree.
struct Gitlink {
  std::string path, commit;
};

// What is to be written for the directory `subdir` of a commit: itself, or the submodule that it is or lies in. Unknown
// `invalid subdir …` if a part of it is no directory.
absl::StatusOr<std::string> PlanSubdir(const CancelToken& cancel, const GitCli& git, const std::string& object, const std::string& subdir);

// Writes the tree of `object` into the empty directory `into`, narrowed to `path` unless empty (other directories are not made).
absl::Status WriteTree(const CancelToken& cancel, const GitCli& git, const std::string& object, const std::string& path, const std::string& into);
// The same, with a .git directory that has this commit alone, its ref (unless it is named by its id) and the tags at it;
// the remote `origin` is `url`.
absl::Status WriteRepository(const CancelToken& cancel, const GitCli& git, const ResolvedRef& want, const std::string& url, const std::string& into);

// The same as one file, "bundle", that has the commit with its history under a ref of its own.
absl::Status WriteBundle(const CancelToken& cancel, const GitCli& git, const std::string& asked_ref, const std::string& object, const std::string& into);

// Submodules of the tree at or below `path` ("": everywhere).
absl::StatusOr<std::vector<Gitlink>> ListGitlinks(const CancelToken& cancel, const GitCli& git, const std::string& object, const std::string& path);

// Moves what is in `from`/`subdir` to `to`, and removes `from`. Unknown `invalid subdir …` unless all parts of it are directories.
absl::Status MoveSubdir(const std::string& from, const std::string& subdir, const std::string& to);

absl::StatusOr<int64_t> CommitTime(const CancelToken& cancel, const GitCli& git, const std::string& object);
// Gives everything in `root`, and it, this time of change.
absl::Status SetTimes(const std::string& root, int64_t seconds);

}  // namespace bk::source
