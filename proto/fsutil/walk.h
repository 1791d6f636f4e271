// Walks a directory in the protocol's order, with include and exclude patterns; hard links name their first path.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "base/cancel.h"
#include "base/ignore_pattern.h"
#include "proto/fsutil/stat.h"

namespace bk::fsutil {

struct WalkOptions {
  std::vector<std::string> include_patterns, exclude_patterns, follow_paths;
  bool reset_ids = false;  // owners become 0:0 (what clients send)
};

// Calls `visit` for every entry below `root` that the options let through, parents first. Vanished entries are left out.
absl::Status Walk(const CancelToken& cancel, const std::string& root, const WalkOptions& options, const std::function<absl::Status(Stat&)>& visit);

// The same options asked about one path. It can differ from the walk's answer (golden wire, finding 13): what the walk
// lists and this refuses arrives empty. One thread.
class PathFilter {
 public:
  static absl::StatusOr<PathFilter> Create(const std::string& root, const WalkOptions& options);
  absl::StatusOr<bool> Passes(const std::string& path);

 private:
  bool has_include_ = false;
  PatternMatcher include_, exclude_;
};

// The paths that `follow_paths` lead to: the links themselves and what they point at, inside the root.
absl::StatusOr<std::vector<std::string>> FollowLinks(const std::string& root, const std::vector<std::string>& paths);

}  // namespace bk::fsutil
