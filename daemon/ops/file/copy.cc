// The copy action: which sources, into which place, then one Copier a source.
#include <fcntl.h>

#include "base/path.h"
#include "daemon/ops/file/actions.h"
#include "daemon/ops/file/copier.h"

namespace bk::ops::file {
namespace {

constexpr unsigned kDefaultDirectoryMode = 0755;

absl::StatusOr<CopyOptions> OptionsOf(const pb::FileActionCopy& action, const std::optional<Owner>& owner) {
  CopyOptions options;
  options.include_patterns.assign(action.include_patterns().begin(), action.include_patterns().end());
  options.exclude_patterns.assign(action.exclude_patterns().begin(), action.exclude_patterns().end());
  options.owner = owner;
  options.time_ns = ActionTime(action.timestamp());
  options.always_replace = action.alwaysreplaceexistingdestpaths();
  if (!action.modestr().empty()) {
    BK_ASSIGN(options.mode_text, ModeText::Parse(action.modestr()));
  } else if (action.mode() != -1) {
    options.mode = static_cast<unsigned>(action.mode());
  }
  return options;
}

// Inside the root: everything resolved but the last component, that too with `follow`.
absl::StatusOr<std::string> SourcePath(const os::RootDir& root, const std::string& path, bool follow) {
  std::string clean = JoinPath("/", path);
  if (clean == "/" || follow) return root.Resolve(clean);
  BK_TRY(std::string dir, root.Resolve(DirName(clean)));
  return JoinPath(dir, BaseName(clean));
}

struct OpenEntry {
  os::UniqueFd dir;
  std::string name, path;
  Entry entry() const { return {dir.get(), name, path}; }
};

absl::StatusOr<OpenEntry> OpenAtParent(const os::RootDir& root, const std::string& path) {
  if (path == "/") {
    BK_TRY(os::UniqueFd fd, root.OpenAt("/", O_PATH | O_DIRECTORY));
    return OpenEntry{std::move(fd), ".", path};
  }
  BK_TRY(os::RootDir::Parent parent, root.OpenParent(path));
  return OpenEntry{std::move(parent.fd), std::move(parent.name), path};
}

// The directory that must be there before the target is looked at: all of "dir/" and "dir/.", the parent of a name.
std::string DirectoryPart(const std::string& path) {
  size_t slash = path.rfind('/');
  std::string last = path.substr(slash + 1);
  return last.empty() || last == "." ? path : path.substr(0, slash + 1);
}

class CopyAction {
 public:
  CopyAction(const os::RootDir& source, const os::RootDir& target, const pb::FileActionCopy& action, const CopyOptions& options)
      : source_(source), target_(target), action_(action), options_(options) {}

  absl::Status CopyOne(const CancelToken& cancel, const std::string& from, const std::string& to) {
    BK_RETURN_IF_ERROR(MakeDirs(DirectoryPart(to)));
    BK_TRY(std::string dest, target_.Resolve(to));
    BK_TRY(std::string path, SourcePath(source_, from, action_.followsymlink()));
    auto stat = source_.Lstat(path);
    if (!stat.ok()) return Renamed(stat.status(), StrCat("lstat ", path));
    BK_RETURN_IF_ERROR(PlaceTarget(S_ISDIR(stat->st_mode), from, dest));
    BK_TRY(OpenEntry source, OpenAtParent(source_, path));
    BK_TRY(OpenEntry target, OpenAtParent(target_, dest));
    BK_TRY(Copier copier, Copier::Create(target_, options_));
    BK_RETURN_IF_ERROR(copier.Copy(cancel, source.entry(), target.entry()));
    for (auto it = made_.rbegin(); it != made_.rend(); ++it) BK_RETURN_IF_ERROR(SetTimeAt(target_, *it, options_.time_ns));
    return absl::OkStatus();
  }

 private:
  absl::Status MakeDirs(const std::string& path) {
    BK_TRY(auto made, MakeParents(target_, path, options_.mode.value_or(kDefaultDirectoryMode), options_.owner, options_.time_ns));
    made_.insert(made_.end(), made.begin(), made.end());
    return absl::OkStatus();
  }

  // Into an existing directory goes a file, or a directory that is copied whole, under its own name.
  absl::Status PlaceTarget(bool source_is_directory, const std::string& from, std::string& dest) {
    auto there = target_.Stat(dest);
    if (!there.ok() && !absl::IsNotFound(there.status())) return Annotate(there.status(), "failed to lstat destination path");
    bool contents = action_.dircopycontents() && source_is_directory;
    bool dest_is_directory = there.ok() && S_ISDIR(there->st_mode);
    if (source_is_directory ? there.ok() && !contents : dest_is_directory) dest = JoinPath(dest, BaseName(from));
    return MakeDirs(contents && !there.ok() ? dest : DirName(dest));
  }

  const os::RootDir& source_;
  const os::RootDir& target_;
  const pb::FileActionCopy& action_;
  const CopyOptions& options_;
  std::vector<std::string> made_;
};

}  // namespace

absl::Status Copy(const CancelToken& cancel, const os::RootDir& source, const os::RootDir& target, const pb::FileActionCopy& action, const std::optional<Owner>& owner) {
  std::string from = CleanKeepingEnd(action.src()), to = CleanKeepingEnd(action.dest());
  if (!action.createdestpath()) {
    BK_TRY(std::string path, target.Resolve(action.dest()));
    auto parent = target.Lstat(DirName(path));
    if (!parent.ok()) return Annotate(Renamed(parent.status(), StrCat("lstat ", DirName(path))), StrCat("failed to stat ", action.dest()));
  }
  BK_TRY(CopyOptions options, OptionsOf(action, owner));
  std::vector<std::string> sources{from};
  if (action.allowwildcard()) {
    BK_ASSIGN(sources, ResolveWildcards(cancel, source, from, action.followsymlink()));
    if (sources.empty()) return action.allowemptywildcard() ? absl::OkStatus() : Unknown(from, " not found");
  }
  for (const std::string& one : sources) {
    if (action.attemptunpackdockercompatibility()) {
      BK_TRY(bool unpacked, UnpackArchive(cancel, source, one, target, to, owner, options.time_ns));
      if (unpacked) continue;
    }
    BK_RETURN_IF_ERROR(CopyAction(source, target, action, options).CopyOne(cancel, one, to));
  }
  return absl::OkStatus();
}

}  // namespace bk::ops::file
