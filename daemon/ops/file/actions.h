// What the actions of a file op do to a tree: make files, directories and links, remove, copy, unpack.
//
// Every path is taken inside its tree (GHSA-32pv, hostile 22 and 23): links are resolved there, `..` ends at the root.
// `owner`: nullopt keeps what it is (new entries: the caller's). Messages name paths from the tree's root. Blocking.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/cancel.h"
#include "daemon/ops/file/entry.h"
#include "llb/ops.pb.h"

namespace bk::ops::file {

absl::Status MakeDirectory(const os::RootDir& root, const pb::FileActionMkDir& action, const std::optional<Owner>& owner);
absl::Status MakeFile(const os::RootDir& root, const pb::FileActionMkFile& action, const std::optional<Owner>& owner);
absl::Status MakeSymlink(const os::RootDir& root, const pb::FileActionSymlink& action, const std::optional<Owner>& owner);
absl::Status Remove(const CancelToken& cancel, const os::RootDir& root, const pb::FileActionRm& action);
absl::Status Copy(const CancelToken& cancel, const os::RootDir& source, const os::RootDir& target, const pb::FileActionCopy& action, const std::optional<Owner>& owner);

// mkdir -p inside the tree with owner and time for what is made; returns those, outermost first.
absl::StatusOr<std::vector<std::string>> MakeParents(const os::RootDir& root, const std::string& path, unsigned mode, const std::optional<Owner>& owner, std::optional<int64_t> time_ns);
absl::Status SetTimeAt(const os::RootDir& root, const std::string& path, std::optional<int64_t> time_ns);

// Extracts the file at `path` of `source` into the directory `dest` if it is a tar archive (plain, gzip, bzip2, xz or zstd).
// False, with nothing changed, if it is not. Rules: docker's archive package.
absl::StatusOr<bool> UnpackArchive(const CancelToken& cancel, const os::RootDir& source, const std::string& path, const os::RootDir& target, const std::string& dest,
                                   const std::optional<Owner>& owner, std::optional<int64_t> time_ns);

// "/a/b" for "a//b"; a trailing "/" or "/." stays.
std::string CleanKeepingEnd(const std::string& path);

// Paths (from the root) that a pattern matches, in the order of a walk; a path without wildcards is returned as it is.
absl::StatusOr<std::vector<std::string>> ResolveWildcards(const CancelToken& cancel, const os::RootDir& root, const std::string& pattern, bool follow_links);

}  // namespace bk::ops::file
