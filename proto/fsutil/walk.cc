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

constexpr int kMaxLinks = 255;

bool HasWildcard(std::string_view text) { return text.find_first_of("*?[") != std::string_view::npos; }

absl::StatusOr<PatternMatcher> MakeMatcher(const char* kind, const std::vector<std::string>& patterns) {
  auto made = PatternMatcher::Create(patterns);
  if (made.ok()) return made;
  std::string list;
  for (const std::string& pattern : patterns) list += (list.empty() ? "" : " ") + pattern;
  return Annotate(made.status(), StrCat("invalid ", kind, "patterns: [", list, "]"));
}

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
    for (const std::string& name : names) BK_RETURN_IF_ERROR(Entry(dir_fd, name, prefix.empty() ? name : StrCat(prefix, "/", name), parent));
    return absl::OkStatus();
  }

 private:
  absl::Status Entry(int dir_fd, const std::string& name, const std::string& path, const Parent& parent) {
    struct stat st;
    if (fstatat(dir_fd, name.c_str(), &st, AT_SYMLINK_NOFOLLOW) < 0) return errno == ENOENT ? absl::OkStatus() : ErrnoError(errno, StrCat("lstat ", path));
    Parent own;
    bool skip = false;
    own.included = !has_include_;
    if (has_include_) BK_ASSIGN(own.included, include_.MatchesUsingParentResults(path, parent.include, own.include));
    if (!exclude_.empty()) BK_ASSIGN(skip, exclude_.MatchesUsingParentResults(path, parent.exclude, own.exclude));
    bool is_dir = S_ISDIR(st.st_mode);
    // A directory that is left out may still hold entries that are wanted.
    bool below = is_dir && (!skip || exclude_.has_exclusions()) && (own.included || has_include_);
    if (skip || !own.included) {
      if (!below) return absl::OkStatus();
      BK_TRY(Stat stat, MakeStat(dir_fd, name.c_str(), path, st));
      held_.push_back(std::move(stat));
      absl::Status status = Below(dir_fd, name, path, own);
      if (!held_.empty() && held_.back().path() == path) held_.pop_back();
      return status;
    }
    BK_RETURN_IF_ERROR(Emit(dir_fd, name, path, st));
    return is_dir ? Below(dir_fd, name, path, own) : absl::OkStatus();
  }

  absl::Status Below(int dir_fd, const std::string& name, const std::string& path, const Parent& own) {
    os::UniqueFd fd(openat(dir_fd, name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    if (!fd) return errno == ENOENT ? absl::OkStatus() : ErrnoError(errno, StrCat("open ", path));
    return Dir(fd.get(), path, own);
  }

  absl::Status Emit(int dir_fd, const std::string& name, const std::string& path, const struct stat& st) {
    // Parents that were left out are sent once something below them is.
    for (Stat& stat : held_) BK_RETURN_IF_ERROR(Send(stat));
    held_.clear();
    auto stat = MakeStat(dir_fd, name.c_str(), path, st);
    if (absl::IsNotFound(stat.status())) return absl::OkStatus();
    BK_RETURN_IF_ERROR(stat.status());
    if (!S_ISDIR(st.st_mode) && st.st_nlink > 1) {
      auto [first, fresh] = links_.try_emplace({st.st_dev, st.st_ino}, path);
      if (!fresh) {
        stat->set_linkname(first->second);
      }
    }
    return Send(*stat);
  }

  absl::Status Send(Stat& stat) {
    if (options_.reset_ids) {
      stat.set_uid(0);
      stat.set_gid(0);
    }
    return visit_(stat);
  }

  const CancelToken& cancel_;
  const WalkOptions& options_;
  const std::function<absl::Status(Stat&)>& visit_;
  bool has_include_ = false;
  PatternMatcher include_, exclude_;
  std::vector<Stat> held_;
  std::map<std::pair<dev_t, ino_t>, std::string> links_;
};

// Resolves one path component by component, noting every link on the way.
class Follower {
 public:
  explicit Follower(os::RootDir root) : root_(std::move(root)) {}
  absl::Status Add(const std::string& path, int depth) {
    if (depth > kMaxLinks) return absl::OkStatus();
    std::string current;
    std::vector<std::string> parts;
    std::string cleaned = os::CleanPath(StrCat("/", path));
    for (size_t at = 1; at < cleaned.size();) {
      size_t end = std::min(cleaned.find('/', at), cleaned.size());
      parts.push_back(cleaned.substr(at, end - at));
      at = end + 1;
    }
    for (size_t i = 0; i < parts.size(); i++) {
      if (HasWildcard(parts[i])) return Expand(current, parts, i, depth);
      std::string next = current.empty() ? parts[i] : StrCat(current, "/", parts[i]);
      auto st = root_.Lstat(next);
      if (st.ok() && S_ISLNK(st->st_mode)) {
        found_.insert(next);
        BK_TRY(std::string target, root_.ReadLink(next));
        std::string base = target.starts_with('/') ? "" : os::DirName(StrCat("/", next));
        std::string rest;
        for (size_t k = i + 1; k < parts.size(); k++) rest += "/" + parts[k];
        return Add(StrCat(base, "/", target, rest), depth + 1);
      }
      current = next;
    }
    found_.insert(current.empty() ? "." : current);
    return absl::OkStatus();
  }
  const std::set<std::string>& found() const { return found_; }

 private:
  absl::Status Expand(const std::string& dir, const std::vector<std::string>& parts, size_t index, int depth) {
    std::string pattern = dir;
    for (size_t k = index; k < parts.size(); k++) pattern += (pattern.empty() ? "" : "/") + parts[k];
    found_.insert(pattern);
    auto fd = root_.OpenAt(dir.empty() ? "." : dir, O_RDONLY | O_DIRECTORY);
    if (!fd.ok()) return absl::OkStatus();
    BK_TRY(std::vector<std::string> names, os::ListDir(StrCat("/proc/self/fd/", fd->get())));
    for (const std::string& name : names) {
      auto match = GlobMatch(parts[index], name);
      if (!match.ok() || !*match) continue;
      auto st = root_.Lstat(dir.empty() ? name : StrCat(dir, "/", name));
      if (!st.ok() || !S_ISLNK(st->st_mode)) continue;
      std::string path = dir.empty() ? name : StrCat(dir, "/", name);
      for (size_t k = index + 1; k < parts.size(); k++) path += "/" + parts[k];
      BK_RETURN_IF_ERROR(Add(path, depth + 1));
    }
    return absl::OkStatus();
  }
  os::RootDir root_;
  std::set<std::string> found_;
};

}  // namespace

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
  for (const std::string& path : paths) BK_RETURN_IF_ERROR(follower.Add(path, 0));
  if (follower.found().contains(".")) return std::vector<std::string>();
  std::vector<std::string> out;
  for (const std::string& path : follower.found()) {
    bool below = std::any_of(out.begin(), out.end(), [&](const std::string& above) { return path.starts_with(above + "/"); });
    if (!below) out.push_back(path);
  }
  return out;
}

}  // namespace bk::fsutil
