#include "daemon/ops/file/copier.h"

#include <fcntl.h>
#include <sys/sysmacros.h>

#include <cerrno>
#include <climits>
#include <memory>

#include "base/os/copy_bytes.h"
#include "base/os/file.h"
#include "base/path.h"
#include "daemon/ops/file/listing.h"

namespace bk::ops::file {
namespace {

absl::StatusOr<std::optional<PatternMatcher>> MakeMatcher(const std::vector<std::string>& patterns, std::string_view what) {
  if (patterns.empty()) return std::optional<PatternMatcher>();
  auto matcher = PatternMatcher::Create(patterns);
  if (!matcher.ok()) {
    std::string list;
    for (const std::string& pattern : patterns) list += StrCat(list.empty() ? "" : " ", pattern);
    return Annotate(matcher.status(), StrCat("invalid ", what, ": [", list, "]"));
  }
  return std::optional<PatternMatcher>(*std::move(matcher));
}

absl::Status Failed(std::string_view doing, const Entry& entry) { return ErrnoError(errno, StrCat("failed to ", doing, " ", entry.path)); }

absl::Status CopyLink(const Entry& source, const Entry& target) {
  char text[PATH_MAX];
  ssize_t size = readlinkat(source.dir, source.name.c_str(), text, sizeof text - 1);
  if (size < 0) return Failed("read link:", source);
  text[size] = '\0';
  return symlinkat(text, target.dir, target.name.c_str()) < 0 ? Failed("create symlink:", target) : absl::OkStatus();
}

// `mode`: what the file most likely is to have.
absl::Status CopyFile(const CancelToken& cancel, const Entry& source, const Entry& target, mode_t mode) {
  // O_NONBLOCK: what was a file may have become a FIFO.
  os::UniqueFd from(openat(source.dir, source.name.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC));
  if (!from) return Failed("open source", source);
  struct stat st;
  if (fstat(from.get(), &st) < 0) return Failed("stat", source);
  if (!S_ISREG(st.st_mode)) return Unknown("failed to copy ", source.path, ": it changed while it was copied");
  os::UniqueFd to(openat(target.dir, target.name.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode & 0777));
  if (!to) return Failed("open target", target);
  return Annotate(os::CopyBytes(cancel, from.get(), to.get(), st.st_size), StrCat("failed to copy ", source.path));
}

// Sockets become empty files: nobody listens on the copy.
absl::Status CopyDevice(const Entry& target, const struct stat& stat) {
  bool device = S_ISCHR(stat.st_mode) || S_ISBLK(stat.st_mode);
  mode_t mode = S_ISSOCK(stat.st_mode) ? S_IFREG | (stat.st_mode & 07777) : stat.st_mode;
  return mknodat(target.dir, target.name.c_str(), mode, device ? stat.st_rdev : 0) < 0 ? Failed("create device", target) : absl::OkStatus();
}

}  // namespace

absl::StatusOr<Copier> Copier::Create(const os::RootDir& target, const CopyOptions& options) {
  Copier copier(target, options);
  BK_ASSIGN(copier.include_, MakeMatcher(options.include_patterns, "includepatterns"));
  BK_ASSIGN(copier.exclude_, MakeMatcher(options.exclude_patterns, "excludepatterns"));
  return copier;
}

absl::Status Copier::Copy(const CancelToken& cancel, const Entry& source, const Entry& target) {
  static const Matches kNone;
  return CopyEntry(cancel, {source, target, "", &kNone, &kNone, true});
}

absl::StatusOr<Copier::Verdict> Copier::Judge(const Work& work) {
  Verdict verdict;
  if (work.top) return verdict;
  if (include_) {
    auto match = include_->MatchesUsingParentResults(work.relative, *work.include, verdict.include);
    if (!match.ok()) return Annotate(match.status(), "failed to match includepatterns");
    verdict.included = *match;
  }
  if (exclude_) {
    auto match = exclude_->MatchesUsingParentResults(work.relative, *work.exclude, verdict.exclude);
    if (!match.ok()) return Annotate(match.status(), "failed to match excludepatterns");
    verdict.excluded = *match;
    if (*match) verdict.included = false;
  }
  // Nothing below can come back.
  verdict.skip = !verdict.included && !include_ && (!exclude_ || !exclude_->has_exclusions());
  return verdict;
}

// The target's directory is the innermost level's, which may have been made since.
Entry Copier::TargetOf(const Entry& target) const {
  Entry entry = target;
  if (entry.dir < 0 && !levels_.empty()) entry.dir = levels_.back().target.get();
  return entry;
}

absl::Status Copier::CopyEntry(const CancelToken& cancel, Work work) {
  BK_RETURN_IF_ERROR(cancel.Check());
  BK_TRY(Verdict verdict, Judge(work));
  if (verdict.skip) return absl::OkStatus();
  BK_TRY(auto found, LstatEntry(work.source));
  if (!found) return NotFound("failed to stat ", work.source.path, ": lstat ", work.source.path, ": no such file or directory");
  const struct stat& stat = *found;
  bool directory = S_ISDIR(stat.st_mode);
  if (!verdict.included && !directory) return absl::OkStatus();

  std::optional<struct stat> before;
  if (verdict.included) BK_RETURN_IF_ERROR(MakeLevels(!work.top));
  work.target = TargetOf(work.target);
  bool in_new_directory = !levels_.empty() && levels_.back().fresh;
  if (work.target.dir >= 0 && !in_new_directory) BK_ASSIGN(before, LstatEntry(work.target));
  if (verdict.included && before) {
    bool target_directory = S_ISDIR(before->st_mode);
    if (options_.always_replace && !(directory && target_directory)) {
      BK_RETURN_IF_ERROR(RemoveTree(work.target));
    } else if (!directory) {
      if (target_directory) return Unknown("cannot replace to directory ", work.target.path, " with file");
      if (unlinkat(work.target.dir, work.target.name.c_str(), 0) < 0) return Failed("remove", work.target);
    }
  }
  if (!directory) {
    BK_RETURN_IF_ERROR(CopyOther(cancel, work, stat));
    return CopyInfo(work.source, work.target, stat);
  }
  bool created = false;
  BK_RETURN_IF_ERROR(CopyDirectory(cancel, work, stat, verdict, created));
  if (work.top ? created : verdict.included) return CopyInfo(work.source, TargetOf(work.target), stat);
  if (work.top && before) return CopyTimes(work.target, stat);
  return absl::OkStatus();
}

absl::Status Copier::CopyDirectory(const CancelToken& cancel, const Work& work, const struct stat& stat, const Verdict& verdict, bool& created) {
  if (levels_.size() >= kMaxDepth) return ResourceExhausted("directory ", work.source.path, ": more than ", kMaxDepth, " levels");
  Level level{{}, {}, work.source, work.target, stat, false, false};
  level.source = os::UniqueFd(openat(work.source.dir, work.source.name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (!level.source) return Failed("read", work.source);
  if (verdict.included) {
    BK_ASSIGN(created, MakeDirectoryOnly(work.target, stat, !work.top));
    level.made = true;
    level.fresh = created;
  }
  if (work.target.dir >= 0) {
    level.target = os::UniqueFd(openat(work.target.dir, work.target.name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    if (!level.target && level.made) return Failed("open", work.target);
  }
  int source = level.source.get();
  levels_.push_back(std::move(level));
  struct Leave {
    std::vector<Level>& levels;
    ~Leave() { levels.pop_back(); }
  } leave{levels_};
  if (verdict.excluded && (!exclude_ || !exclude_->has_exclusions())) return absl::OkStatus();
  BK_TRY(auto names, ListNames(source, work.source.path));
  for (const std::string& name : names) {
    Work child{{source, name, JoinPath(work.source.path, name)}, {-1, name, JoinPath(work.target.path, name)}, work.relative.empty() ? name : StrCat(work.relative, "/", name), &verdict.include, &verdict.exclude, false};
    BK_RETURN_IF_ERROR(CopyEntry(cancel, std::move(child)));
  }
  return absl::OkStatus();
}

// Makes the target directories above an entry that goes in, as far as they are not made yet.
absl::Status Copier::MakeLevels(bool overwrite) {
  for (size_t i = 0; i < levels_.size(); i++) {
    Level& level = levels_[i];
    if (level.made) continue;
    Entry target = level.target_entry;
    if (target.dir < 0) target.dir = levels_[i - 1].target.get();
    level.target_entry = target;
    BK_TRY(bool created, MakeDirectoryOnly(target, level.stat, overwrite));
    if (created) BK_RETURN_IF_ERROR(CopyInfo(level.source_entry, target, level.stat));
    // One that was there already is open, and the entries below refer to it.
    if (!level.target) level.target = os::UniqueFd(openat(target.dir, target.name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    if (!level.target) return Failed("open", target);
    level.made = true;
    level.fresh = created;
  }
  return absl::OkStatus();
}

absl::StatusOr<bool> Copier::MakeDirectoryOnly(const Entry& target, const struct stat& stat, bool overwrite) {
  BK_TRY(auto before, LstatEntry(target));
  if (!before) {
    if (mkdirat(target.dir, target.name.c_str(), stat.st_mode & 07777) < 0) return Failed("mkdir", target);
    return true;
  }
  if (!S_ISDIR(before->st_mode)) return Unknown("cannot copy to non-directory: ", target.path);
  if (overwrite) BK_RETURN_IF_ERROR(SetMode(target, stat.st_mode));
  return false;
}

absl::Status Copier::CopyOther(const CancelToken& cancel, const Work& work, const struct stat& stat) {
  if (S_ISLNK(stat.st_mode)) return CopyLink(work.source, work.target);
  if (!S_ISREG(stat.st_mode)) return CopyDevice(work.target, stat);
  if (stat.st_nlink > 1) {
    auto [first, added] = links_.try_emplace({stat.st_dev, stat.st_ino}, work.target.path);
    if (!added) {
      BK_TRY(os::RootDir::Parent old, root_->OpenParent(first->second));
      if (linkat(old.fd.get(), old.name.c_str(), work.target.dir, work.target.name.c_str(), 0) < 0) return Failed("create hard link", work.target);
      return absl::OkStatus();
    }
  }
  return CopyFile(cancel, work.source, work.target, stat.st_mode);
}

absl::Status Copier::CopyInfo(const Entry& source, const Entry& target, const struct stat& stat) {
  // What a new file has already is not set again: each change is one of the file system's journal.
  BK_TRY(auto now, LstatEntry(target));
  Owner owner = options_.owner.value_or(Owner{stat.st_uid, stat.st_gid});
  bool other_owner = !now || Owner{now->st_uid, now->st_gid} != owner;
  if (other_owner) BK_RETURN_IF_ERROR(SetOwner(target, owner));
  if (!S_ISLNK(stat.st_mode)) {
    unsigned mode = stat.st_mode & 07777;
    if (options_.mode_text) {
      mode = options_.mode_text->Apply(mode, S_ISDIR(stat.st_mode));
    } else if (options_.mode) {
      mode = *options_.mode & 07777;
    }
    // Another owner takes the set-id bits away.
    if (other_owner || (now->st_mode & 07777) != mode) BK_RETURN_IF_ERROR(SetMode(target, mode));
  }
  BK_RETURN_IF_ERROR(CopyTimes(target, stat));
  CopyXattrs(source, target);
  return absl::OkStatus();
}

absl::Status Copier::CopyTimes(const Entry& target, const struct stat& stat) {
  return options_.time_ns ? SetTime(target, options_.time_ns) : SetTimes(target, stat.st_atim, stat.st_mtim);
}

}  // namespace bk::ops::file
