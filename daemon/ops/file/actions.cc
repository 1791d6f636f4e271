#include "daemon/ops/file/actions.h"

#include <fcntl.h>

#include <cerrno>

#include "base/os/file.h"
#include "base/path.h"

namespace bk::ops::file {
namespace {

// The entry a path names, its last link followed. The parent must exist.
struct Place {
  os::RootDir::Parent parent;
  std::string path;
  Entry entry() const { return {parent.fd.get(), parent.name, path}; }
};

// `doing` is what a missing parent keeps from being done ("mkdir").
absl::StatusOr<Place> PlaceOf(const os::RootDir& root, const std::string& resolved, std::string_view doing) {
  if (resolved == "/") {
    BK_TRY(os::UniqueFd fd, root.OpenAt("/", O_PATH | O_DIRECTORY));
    return Place{{std::move(fd), "."}, resolved};
  }
  auto parent = root.OpenParent(resolved);
  if (!parent.ok()) return Renamed(parent.status(), StrCat(doing, " ", resolved));
  return Place{*std::move(parent), resolved};
}

absl::Status Finish(const Entry& entry, const std::optional<Owner>& owner, int64_t timestamp) {
  if (owner) BK_RETURN_IF_ERROR(SetOwner(entry, *owner));
  return SetTime(entry, ActionTime(timestamp));
}

absl::Status RemovePath(const os::RootDir& root, const std::string& name, bool allow_missing) {
  std::string path = JoinPath("/", name);
  if (path == "/") return Unknown("rmPath: invalid empty path");
  BK_TRY(std::string dir, root.Resolve(DirName(path)));
  std::string full = JoinPath(dir, BaseName(path));
  auto there = root.Stat(full);
  if (!there.ok() && absl::IsNotFound(there.status()) && !allow_missing) return NotFound("stat ", full, ": no such file or directory");
  auto parent = root.OpenParent(full);
  if (!parent.ok()) return absl::IsNotFound(parent.status()) ? absl::OkStatus() : Renamed(parent.status(), StrCat("unlinkat ", full));
  return RemoveTree({parent->fd.get(), parent->name, full});
}

}  // namespace

std::string CleanKeepingEnd(const std::string& path) {
  std::string clean = JoinPath("/", path);
  if (path.ends_with("/.")) return clean == "/" ? "/." : clean + "/.";
  return path.ends_with('/') && clean != "/" ? clean + "/" : clean;
}

absl::Status SetTimeAt(const os::RootDir& root, const std::string& path, std::optional<int64_t> time_ns) {
  if (!time_ns) return absl::OkStatus();
  BK_TRY(Place place, PlaceOf(root, path, "failed to utime"));
  return SetTime(place.entry(), time_ns);
}

absl::StatusOr<std::vector<std::string>> MakeParents(const os::RootDir& root, const std::string& path, unsigned mode, const std::optional<Owner>& owner, std::optional<int64_t> time_ns) {
  uid_t uid = owner ? owner->uid : static_cast<uid_t>(-1);
  gid_t gid = owner ? owner->gid : static_cast<gid_t>(-1);
  BK_TRY(auto made, root.MakeDirs(path, mode & 0777, uid, gid));
  for (auto it = made.rbegin(); it != made.rend(); ++it) BK_RETURN_IF_ERROR(SetTimeAt(root, *it, time_ns));
  return made;
}

absl::Status MakeDirectory(const os::RootDir& root, const pb::FileActionMkDir& action, const std::optional<Owner>& owner) {
  unsigned mode = static_cast<unsigned>(action.mode()) & 0777;
  BK_TRY(std::string path, root.Resolve(action.path()));
  if (action.makeparents()) return MakeParents(root, path, mode, owner, ActionTime(action.timestamp())).status();
  BK_TRY(Place place, PlaceOf(root, path, "mkdir"));
  if (mkdirat(place.parent.fd.get(), place.parent.name.c_str(), mode) < 0) {
    return errno == EEXIST ? absl::OkStatus() : ErrnoError(errno, StrCat("mkdir ", path));
  }
  BK_RETURN_IF_ERROR(SetMode(place.entry(), mode));  // mkdir applied the umask
  return Finish(place.entry(), owner, action.timestamp());
}

absl::Status MakeFile(const os::RootDir& root, const pb::FileActionMkFile& action, const std::optional<Owner>& owner) {
  unsigned mode = static_cast<unsigned>(action.mode()) & 0777;
  BK_TRY(std::string path, root.Resolve(action.path()));
  BK_TRY(Place place, PlaceOf(root, path, "open"));
  BK_TRY(auto before, LstatEntry(place.entry()));
  // O_NONBLOCK: a FIFO must not wait for a reader; only regular files are written.
  os::UniqueFd fd(openat(place.parent.fd.get(), place.parent.name.c_str(), O_WRONLY | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC, 0600));
  if (!fd) return ErrnoError(errno, StrCat("open ", path));
  struct stat st;
  if (fstat(fd.get(), &st) < 0) return ErrnoError(errno, StrCat("stat ", path));
  if (!S_ISREG(st.st_mode)) return InvalidArgument("open ", path, ": not a regular file");
  if (ftruncate(fd.get(), 0) < 0) return ErrnoError(errno, StrCat("truncate ", path));
  BK_RETURN_IF_ERROR(Annotate(os::WriteAll(fd.get(), action.data()), StrCat("write ", path)));
  if (!before && fchmod(fd.get(), mode) < 0) return ErrnoError(errno, StrCat("chmod ", path));
  return Finish(place.entry(), owner, action.timestamp());
}

absl::Status MakeSymlink(const os::RootDir& root, const pb::FileActionSymlink& action, const std::optional<Owner>& owner) {
  BK_TRY(std::string path, root.Resolve(action.newpath()));
  std::string doing = StrCat("symlink ", action.oldpath());
  BK_TRY(Place place, PlaceOf(root, path, doing));
  if (symlinkat(action.oldpath().c_str(), place.parent.fd.get(), place.parent.name.c_str()) < 0) {
    return ErrnoError(errno, StrCat(doing, " ", path));
  }
  return Finish(place.entry(), owner, action.timestamp());
}

absl::Status Remove(const CancelToken& cancel, const os::RootDir& root, const pb::FileActionRm& action) {
  if (!action.allowwildcard()) return RemovePath(root, action.path(), action.allownotfound());
  BK_TRY(auto matches, ResolveWildcards(cancel, root, CleanKeepingEnd(action.path()), false));
  for (const std::string& match : matches) BK_RETURN_IF_ERROR(RemovePath(root, match, action.allownotfound()));
  return absl::OkStatus();
}

}  // namespace bk::ops::file
