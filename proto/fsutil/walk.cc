#include "proto/fsutil/walk.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <map>
#include <set>

#include "base/glob.h"
#include "base/ignore_pattern.h"
#include "base/os/file.h"
#include "base/os/root_path.h"

namespace bk::fsutil {
namespace {

bool HasWildcard(std::string_view text) {
  for (size_t at = 0; at < text.size(); at++) {
    if (text[at] == '\\') {
      at++;
    } else if (text[at] == '*' || text[at] == '?' || text[at] == '[') {
      return true;
    }
  }
  return false;
}

absl::StatusOr<PatternMatcher> MakeMatcher(const char* kind, const std::vector<std::string>& patterns) {
  auto made = PatternMatcher::Create(patterns);
  if (made.ok()) return made;
  std::string list;
  for (const std::string& pattern : patterns) list += (list.empty() ? "" : " ") + pattern;
  return Annotate(made.status(), StrCat("invalid ", kind, "patterns: [", list, "]"));
}

// Which directories the patterns of one kind can lead into. Only patterns without wildcards, but for a last `*` or `**`,
// tell beforehand.
class Reach {
 public:
  Reach() = default;
  Reach(PatternMatcher& matcher, bool exclusions) {
    for (const IgnorePattern& pattern : matcher.patterns()) {
      if (pattern.exclusion() != exclusions) continue;
      std::string_view text = pattern.text();
      for (std::string_view glob : {"/**", "/*"}) {
        if (text.ends_with(glob)) text.remove_suffix(glob.size());
      }
      everywhere_ = everywhere_ || text.find_first_of("*[]?^\\") != std::string_view::npos;
      places_.push_back(StrCat(text, "/"));
    }
  }
  bool Below(const std::string& dir) const {
    std::string prefix = dir + "/";
    return everywhere_ || std::any_of(places_.begin(), places_.end(), [&](const std::string& place) { return place.starts_with(prefix); });
  }

 private:
  bool everywhere_ = false;
  std::vector<std::string> places_;
};

class Walker {
 public:
  Walker(const CancelToken& cancel, const WalkOptions& options, const std::function<absl::Status(Stat&)>& visit) : cancel_(cancel), options_(options), visit_(visit) {}

  absl::Status Init(const std::string& root) {
    std::vector<std::string> include = options_.include_patterns;
    if (!options_.follow_paths.empty()) {
      BK_TRY(std::vector<std::string> targets, FollowLinks(root, options_.follow_paths));
      include.insert(include.end(), targets.begin(), targets.end());
    }
    has_include_ = !include.empty();
    BK_ASSIGN(include_, MakeMatcher("include", include));
    BK_ASSIGN(exclude_, MakeMatcher("exclude", options_.exclude_patterns));
    includes_ = Reach(include_, false);
    exceptions_ = Reach(exclude_, true);
    return absl::OkStatus();
  }

  // Results of the patterns for the directory that is walked.
  struct Parent {
    PatternMatcher::ParentResults include, exclude;
    bool included = false;
  };

  absl::Status Dir(int dir_fd, const std::string& prefix, const Parent& parent) {
    BK_RETURN_IF_ERROR(cancel_.Check());
    BK_TRY(std::vector<std::string> names, os::ListDir(StrCat("/proc/self/fd/", dir_fd)));
    for (const std::string& name : names) {
      BK_TRY(Go go, Entry(dir_fd, name, prefix.empty() ? name : StrCat(prefix, "/", name), parent));
      if (go == Go::kUp) break;
    }
    return absl::OkStatus();
  }

 private:
  // Where the walk goes after an entry: on in the same directory, or up because the rest of it is skipped.
  enum class Go { kOn, kUp };
  // A directory that the patterns leave out, sent once something below it is.
  struct Held {
    Stat stat;
    bool skip = false;  // and so is everything below it
  };

  absl::StatusOr<Go> Entry(int dir_fd, const std::string& name, const std::string& path, const Parent& parent) {
    struct stat st;
    if (fstatat(dir_fd, name.c_str(), &st, AT_SYMLINK_NOFOLLOW) < 0) {
      if (errno != ENOENT) return ErrnoError(errno, StrCat("lstat ", path));
      return Go::kOn;
    }
    Parent own;
    bool skip = false;
    own.included = !has_include_;
    if (has_include_) BK_ASSIGN(own.included, include_.MatchesUsingParentResults(path, parent.include, own.include));
    if (!exclude_.empty()) BK_ASSIGN(skip, exclude_.MatchesUsingParentResults(path, parent.exclude, own.exclude));
    bool is_dir = S_ISDIR(st.st_mode);
    if (skip || !own.included) {
      // A directory that is left out may still hold entries that are wanted.
      bool below = is_dir && (!skip || exceptions_.Below(path)) && (own.included || includes_.Below(path));
      if (!below) return Go::kOn;
      BK_TRY(Stat stat, MakeStat(dir_fd, name.c_str(), path, st));
      held_.push_back({std::move(stat)});
      BK_RETURN_IF_ERROR(Below(dir_fd, name, path, own, true));
      if (!held_.empty() && held_.back().stat.path() == path) held_.pop_back();
      return Go::kOn;
    }
    BK_TRY(bool go_on, Emit(dir_fd, name, path, st));
    if (!go_on) return is_dir ? Go::kOn : Go::kUp;
    if (is_dir) BK_RETURN_IF_ERROR(Below(dir_fd, name, path, own, false));
    return Go::kOn;
  }

  // `left_out`: the directory itself is not wanted, and one that may not be read is passed over.
  absl::Status Below(int dir_fd, const std::string& name, const std::string& path, const Parent& own, bool left_out) {
    os::UniqueFd fd(openat(dir_fd, name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    if (!fd && errno == EACCES && left_out) return absl::OkStatus();
    if (!fd) return errno == ENOENT ? absl::OkStatus() : ErrnoError(errno, StrCat("open ", path));
    return Dir(fd.get(), path, own);
  }

  // False: the directory (of a file: the rest of its parent) is skipped.
  absl::StatusOr<bool> Emit(int dir_fd, const std::string& name, const std::string& path, const struct stat& st) {
    auto stat = MakeStat(dir_fd, name.c_str(), path, st);
    if (absl::IsNotFound(stat.status())) return true;
    BK_RETURN_IF_ERROR(stat.status());
    if (!S_ISDIR(st.st_mode) && st.st_nlink > 1) {
      auto [first, fresh] = links_.try_emplace({st.st_dev, st.st_ino}, path);
      if (!fresh) stat->set_linkname(first->second);
    }
    MapResult result = Map(*stat);
    if (result != MapResult::kKeep) return result == MapResult::kExclude;
    BK_TRY(bool go_on, SendHeld());
    if (!go_on) return false;
    BK_RETURN_IF_ERROR(visit_(*stat));
    return true;
  }

  absl::StatusOr<bool> SendHeld() {
    std::vector<Held> kept;  // left out by the map: asked again for the next entry
    for (size_t n = 0; n < held_.size(); n++) {
      MapResult result = held_[n].skip ? MapResult::kSkipDir : Map(held_[n].stat);
      if (result == MapResult::kKeep) {
        BK_RETURN_IF_ERROR(visit_(held_[n].stat));
        continue;
      }
      held_[n].skip = result == MapResult::kSkipDir;
      kept.push_back(held_[n]);
      if (!held_[n].skip) continue;
      std::copy(held_.begin() + static_cast<ptrdiff_t>(n) + 1, held_.end(), std::back_inserter(kept));
      held_ = std::move(kept);
      return false;
    }
    held_ = std::move(kept);
    return true;
  }

  MapResult Map(Stat& stat) const { return options_.map == nullptr ? MapResult::kKeep : options_.map(stat); }

  const CancelToken& cancel_;
  const WalkOptions& options_;
  const std::function<absl::Status(Stat&)>& visit_;
  bool has_include_ = false;
  PatternMatcher include_, exclude_;
  Reach includes_, exceptions_;
  std::vector<Held> held_;
  std::map<std::pair<dev_t, ino_t>, std::string> links_;
};

// Follows paths component by component. A link, or a wildcard that matches links, is noted and left for what it points at
// with the rest of the path; what was noted before is not followed again, whatever the rest.
class Follower {
 public:
  explicit Follower(os::RootDir root) : root_(std::move(root)) {}
  absl::Status Add(const std::string& path) {
    std::vector<std::string> pending = {path};
    while (!pending.empty()) {
      std::string next = os::CleanPath(StrCat("./", pending.back()));
      pending.pop_back();
      BK_TRY(std::vector<std::string> further, Follow(next));
      pending.insert(pending.end(), further.rbegin(), further.rend());
    }
    return absl::OkStatus();
  }
  const std::set<std::string>& found() const { return found_; }

 private:
  // The paths that `path` leads to through its first link.
  absl::StatusOr<std::vector<std::string>> Follow(const std::string& path) {
    for (size_t at = 0; at <= path.size();) {
      size_t end = std::min(path.find('/', at), path.size());
      std::string current = path.substr(0, end);
      at = end + 1;
      BK_TRY(std::vector<std::string> targets, Targets(current));
      if (targets.empty() && at <= path.size()) continue;
      if (!found_.insert(current).second) return std::vector<std::string>();
      for (std::string& target : targets) target += at <= path.size() ? "/" + path.substr(at) : "";
      return targets;
    }
    return std::vector<std::string>();
  }
  // Where the link `path`, or the links that its last component matches, point at.
  absl::StatusOr<std::vector<std::string>> Targets(const std::string& path) const {
    std::vector<std::string> targets;
    if (path == "." || path == ".." || path.starts_with("../")) return targets;
    size_t slash = path.rfind('/');
    std::string dir = slash == std::string::npos ? "" : path.substr(0, slash + 1), name = path.substr(dir.size());
    if (!HasWildcard(name)) {
      BK_RETURN_IF_ERROR(AddTarget(dir, name, targets));
      return targets;
    }
    auto fd = root_.OpenAt(dir.empty() ? "." : dir, O_RDONLY | O_DIRECTORY);
    if (!fd.ok()) return targets;
    BK_TRY(std::vector<std::string> names, os::ListDir(StrCat("/proc/self/fd/", fd->get())));
    for (const std::string& candidate : names) {
      if (GlobMatch(name, candidate).value_or(false)) BK_RETURN_IF_ERROR(AddTarget(dir, candidate, targets));
    }
    return targets;
  }
  absl::Status AddTarget(const std::string& dir, const std::string& name, std::vector<std::string>& targets) const {
    auto st = root_.Lstat(dir + name);
    if (!st.ok() || !S_ISLNK(st->st_mode)) return absl::OkStatus();
    BK_TRY(std::string link, root_.ReadLink(dir + name));
    targets.push_back(os::CleanPath(link.starts_with('/') ? link : StrCat("/", dir, link)));  // never above the root
    return absl::OkStatus();
  }

  os::RootDir root_;
  std::set<std::string> found_;
};

}  // namespace

MapResult ResetOwner(Stat& stat) {
  stat.set_uid(0);
  stat.set_gid(0);
  return MapResult::kKeep;
}

absl::Status Walk(const CancelToken& cancel, const std::string& root, const WalkOptions& options, const std::function<absl::Status(Stat&)>& visit) {
  Walker walker(cancel, options, visit);
  BK_RETURN_IF_ERROR(walker.Init(root));
  BK_TRY(os::UniqueFd fd, os::Open(root, O_RDONLY | O_DIRECTORY));
  return walker.Dir(fd.get(), "", {});
}

absl::StatusOr<PathFilter> PathFilter::Create(const std::string& root, const WalkOptions& options) {
  PathFilter out;
  std::vector<std::string> include = options.include_patterns;
  if (!options.follow_paths.empty()) {
    BK_TRY(std::vector<std::string> targets, FollowLinks(root, options.follow_paths));
    include.insert(include.end(), targets.begin(), targets.end());
  }
  out.has_include_ = !include.empty();
  BK_ASSIGN(out.include_, MakeMatcher("include", include));
  BK_ASSIGN(out.exclude_, MakeMatcher("exclude", options.exclude_patterns));
  return out;
}

absl::StatusOr<bool> PathFilter::Passes(const std::string& path) {
  if (has_include_) {
    BK_TRY(bool included, include_.MatchesOrParentMatches(path));
    if (!included) return false;
  }
  if (exclude_.empty()) return true;
  BK_TRY(bool excluded, exclude_.MatchesOrParentMatches(path));
  return !excluded;
}

absl::StatusOr<std::vector<std::string>> FollowLinks(const std::string& root, const std::vector<std::string>& paths) {
  BK_TRY(os::RootDir dir, os::RootDir::Open(root));
  Follower follower(std::move(dir));
  for (const std::string& path : paths) BK_RETURN_IF_ERROR(follower.Add(path));
  if (follower.found().contains(".")) return std::vector<std::string>();
  std::vector<std::string> out;
  for (const std::string& path : follower.found()) {
    bool below = std::any_of(out.begin(), out.end(), [&](const std::string& above) { return path.starts_with(above + "/"); });
    if (!below) out.push_back(path);
  }
  return out;
}

}  // namespace bk::fsutil
