// Which paths a COPY or RM pattern means: a walk below the part without wildcards, no link followed.
#include <dirent.h>
#include <fcntl.h>

#include <algorithm>
#include <cerrno>

#include "base/glob.h"
#include "base/path.h"
#include "daemon/ops/file/actions.h"
#include "daemon/ops/file/listing.h"

namespace bk::ops::file {
namespace {

bool HasWildcards(std::string_view name) {
  for (size_t i = 0; i < name.size(); i++) {
    if (name[i] == '\\') {
      i++;
    } else if (name[i] == '*' || name[i] == '?' || name[i] == '[') {
      return true;
    }
  }
  return false;
}

struct Split {
  std::string fixed = "/", pattern;
};

Split SplitAtWildcard(const std::string& path) {
  Split split;
  std::string rest = CleanPath(path) + "/";
  for (size_t at = 0; at < rest.size();) {
    size_t end = rest.find('/', at);
    std::string part = rest.substr(at, end - at);
    at = end + 1;
    bool in_pattern = !split.pattern.empty() || HasWildcards(part);
    std::string& side = in_pattern ? split.pattern : split.fixed;
    side = JoinPath(side, part);
  }
  return split;
}

class Walk {
 public:
  Walk(const CancelToken& cancel, const std::string& pattern) : cancel_(cancel), pattern_(pattern) {
    // Outside of classes nothing matches a slash, so deeper entries cannot match.
    if (pattern.find('[') == std::string::npos) max_depth_ = 1 + static_cast<size_t>(std::count(pattern.begin(), pattern.end(), '/'));
  }

  absl::Status Directory(const os::UniqueFd& dir, const std::string& path, const std::string& relative, size_t depth, std::vector<std::string>& out) {
    if (depth > kMaxDepth) return ResourceExhausted("directory ", path, ": more than ", kMaxDepth, " levels");
    BK_TRY(auto names, ListNames(dir.get(), path));
    for (const std::string& name : names) {
      BK_RETURN_IF_ERROR(cancel_.Check());
      std::string below = relative.empty() ? name : StrCat(relative, "/", name), full = JoinPath(path, name);
      // A bad pattern matches nothing, as in the reference.
      if (auto match = GlobMatch(pattern_, below); match.ok() && *match) {
        out.push_back(full);
        continue;
      }
      if (depth >= max_depth_) continue;
      os::UniqueFd child(openat(dir.get(), name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
      if (!child) {
        if (errno == ENOTDIR || errno == ELOOP || errno == ENOENT) continue;
        return ErrnoError(errno, StrCat("open ", full));
      }
      BK_RETURN_IF_ERROR(Directory(child, full, below, depth + 1, out));
    }
    return absl::OkStatus();
  }

 private:
  const CancelToken& cancel_;
  const std::string& pattern_;
  size_t max_depth_ = SIZE_MAX;
};

}  // namespace

absl::StatusOr<std::vector<std::string>> ResolveWildcards(const CancelToken& cancel, const os::RootDir& root, const std::string& pattern, bool follow_links) {
  Split split = SplitAtWildcard(pattern);
  if (split.pattern.empty()) return std::vector<std::string>{split.fixed};
  std::string start = "/";
  if (split.fixed != "/") {
    BK_ASSIGN(start, root.Resolve(follow_links ? split.fixed : DirName(split.fixed)));
    if (!follow_links) start = JoinPath(start, BaseName(split.fixed));
  }
  auto st = root.Lstat(start);
  if (!st.ok()) return Renamed(st.status(), StrCat("lstat ", start));
  std::vector<std::string> matches;
  if (!S_ISDIR(st->st_mode)) return matches;  // a link too: the walk does not follow it
  BK_TRY(os::UniqueFd dir, root.OpenAt(start, O_RDONLY | O_DIRECTORY | O_NOFOLLOW));
  BK_RETURN_IF_ERROR(Walk(cancel, split.pattern).Directory(dir, start, "", 1, matches));
  return matches;
}

}  // namespace bk::ops::file
