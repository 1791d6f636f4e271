// Walks a directory in the protocol's order, with include and exclude patterns; hard links name their first path.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "base/cancel.h"
#include "base/ignore_pattern.h"
#include "proto/fsutil/stat.h"

namespace bk::fsutil {

// What becomes of an entry that the patterns let through.
enum class MapResult {
  kKeep,
  kExclude,  // left out; what is below it is not
  kSkipDir,  // left out with all below it; of a file: with the rest of its directory
};
using MapFunction = std::function<MapResult(Stat&)>;
MapResult ResetOwner(Stat& stat);  // owners become 0:0 (what clients send)

struct WalkOptions {
  std::vector<std::string> include_patterns, exclude_patterns, follow_paths;
  MapFunction map;  // may change the Stat; null: everything is kept
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
