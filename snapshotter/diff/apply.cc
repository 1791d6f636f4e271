#include "snapshotter/diff/apply.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <set>

#include "base/log.h"
#include "base/os/file.h"
#include "base/os/root_path.h"
#include "snapshotter/diff/open_dirs.h"
#include "snapshotter/diff/tar.h"

namespace bk::diff {
namespace {

constexpr std::string_view kWhiteout = ".wh.";
constexpr std::string_view kOpaque = ".wh..wh..opq";
constexpr std::string_view kXattr = "SCHILY.xattr.";
// Go's time.Unix(0, math.MaxInt64): 2262-04-11T23:47:16Z.
constexpr int64_t kMaxSeconds = 9223372036;

timespec Bounded(const TarTime& time) {
  bool in_range = time.seconds >= 0 && (time.seconds < kMaxSeconds || (time.seconds == kMaxSeconds && time.nanoseconds <= 854775807));
  return in_range ? timespec{time.seconds, time.nanoseconds} : timespec{0, 0};
}

bool Later(const TarTime& a, const TarTime& b) { return a.seconds != b.seconds ? a.seconds > b.seconds : a.nanoseconds > b.nanoseconds; }

class Applier {
 public:
  Applier(const ApplyTarget& target, os::RootDir root) : target_(target), root_(std::move(root)) {}

  absl::StatusOr<int64_t> Run(const CancelToken& cancel, ByteSource& source) {
    TarReader reader(source);
    TarHeader header;
    int64_t size = 0;
    while (true) {
      BK_RETURN_IF_ERROR(cancel.Check());
      BK_TRY(bool more, reader.Next(header));
      if (!more) break;
      size += header.size_bytes;
      BK_RETURN_IF_ERROR(Entry(header, reader));
    }
    for (const TarHeader& directory : directories_) BK_RETURN_IF_ERROR(SetFinalTimes(directory));
    return size;
  }

 private:
  // The entry's place: its directory with links resolved inside the root, and the base name.
  absl::Status Entry(TarHeader& header, TarReader& reader) {
    ForgetStaleDirs();
    std::string name = os::CleanPath(header.name);
    if (target_.user_namespace && (header.type == '3' || header.type == '4')) return absl::OkStatus();
    size_t slash = name.rfind('/');
    std::string base = slash == std::string::npos ? name : name.substr(slash + 1), above = slash == std::string::npos ? "" : name.substr(0, slash);
    int dir_fd = base == ".." ? -1 : dirs_.Find(above);
    std::string dir = os::CleanPath("/" + above);
    if (dir_fd < 0) BK_ASSIGN(dir, ResolveParent(above));
    std::string path = os::CleanPath(StrCat(dir, "/", os::CleanPath(StrCat("/", base))));
    if (path == "/") return absl::OkStatus();
    if (base == "..") {  // joined to the root it names the directory itself
      dir = os::DirName(path);
      base = os::BaseName(path);
    }
    if (dir_fd < 0 && dir != "/") BK_RETURN_IF_ERROR(MakeParent(dir));
    if (base.starts_with(kWhiteout)) return Whiteout(header, dir, base);
    os::UniqueFd opened;
    if (dir_fd < 0) {
      BK_ASSIGN(opened, root_.OpenAt(dir, O_PATH | O_DIRECTORY));
      dir_fd = opened.get();
    }
    BK_RETURN_IF_ERROR(Put(header, reader, {dir_fd, base, path}));
    if (header.type == '5') directories_.push_back(header);
    if (header.type != 'g') unpacked_.insert(std::move(path));
    return absl::OkStatus();
  }

  // An entry's directory, its name there, and its path inside the root.
  struct Place {
    int dir;
    const std::string& name;
    const std::string& path;
  };

  // Makes the entry, in the place of what stands there (a directory stays for a directory).
  absl::Status Put(const TarHeader& header, TarReader& reader, const Place& place) {
    if (header.type == '0') {  // most are files that are new
      BK_TRY(bool written, WriteFile(header, reader, place));
      if (written) return absl::OkStatus();
    }
    if (header.type == '5') {
      BK_TRY(bool made, MakeDirectory(header, place));
      if (made) return absl::OkStatus();
    }
    struct stat st;
    bool exists = fstatat(place.dir, place.name.c_str(), &st, AT_SYMLINK_NOFOLLOW) == 0;
    if (exists && !(S_ISDIR(st.st_mode) && header.type == '5')) {
      bool leads_nowhere = !S_ISDIR(st.st_mode) && !S_ISLNK(st.st_mode);
      if (!leads_nowhere || unlinkat(place.dir, place.name.c_str(), 0) < 0) BK_RETURN_IF_ERROR(Remove(place.path));
      exists = false;
    }
    if (header.type == 'g') return absl::OkStatus();
    if (header.type == '0') {
      BK_TRY(bool written, WriteFile(header, reader, place));
      return written ? absl::OkStatus() : ErrnoError(EEXIST, StrCat("open ", target_.dir, place.path));
    }
    if (header.type == '5' && !exists) {
      BK_TRY(bool made, MakeDirectory(header, place));
      return made ? absl::OkStatus() : ErrnoError(EEXIST, StrCat("mkdir ", target_.dir, place.path));
    }
    if (!exists) BK_RETURN_IF_ERROR(Create(header, place));
    return SetAttributes(header, place);
  }

  absl::StatusOr<std::string> ResolveParent(const std::string& dir) {
    auto resolved = root_.Resolve(dir);
    if (resolved.ok()) return resolved;
    absl::StatusCode loop = ErrnoError(ELOOP, "").code();
    if (resolved.status().code() == loop) return Error(loop, "failed to get root path: too many links");
    return Annotate(resolved.status(), "failed to get root path");
  }

  absl::Status Remove(const std::string& path) {
    dirs_stale_ = true;
    made_.clear();
    BK_TRY(os::RootDir::Parent parent, root_.OpenParent(path));
    return os::RemoveAll(StrCat("/proc/self/fd/", parent.fd.get(), "/", parent.name));
  }

  absl::Status MakeParent(const std::string& dir) {
    if (made_.contains(dir)) return absl::OkStatus();
    auto st = root_.Lstat(dir);
    if (st.ok()) {
      if (!S_ISDIR(st->st_mode)) return ErrnoError(ENOTDIR, StrCat("mkparent ", target_.dir, dir));
      made_.insert(dir);
      return absl::OkStatus();
    }
    if (!absl::IsNotFound(st.status())) return st.status();
    std::string above = os::DirName(dir);
    if (above != "/") BK_RETURN_IF_ERROR(MakeParent(above));
    BK_TRY(os::RootDir::Parent parent, root_.OpenParent(dir));
    if (mkdirat(parent.fd.get(), parent.name.c_str(), 0755) < 0) return ErrnoError(errno, StrCat("mkdir ", dir));
    made_.insert(dir);
    return CopyFromLower(dir, parent);
  }

  absl::Status AwaitLower() {
    if (std::exchange(lower_awaited_, true) || target_.await_lower == nullptr) return absl::OkStatus();
    return target_.await_lower();
  }

  absl::Status CopyFromLower(const std::string& dir, const os::RootDir::Parent& made) {
    std::string target = StrCat("/proc/self/fd/", made.fd.get(), "/", made.name);
    BK_RETURN_IF_ERROR(AwaitLower());
    for (const std::string& lower : target_.lower_dirs) {
      BK_TRY(os::RootDir root, os::RootDir::Open(lower));
      auto fd = root.OpenAt(dir, O_PATH);
      if (!fd.ok() && absl::IsNotFound(fd.status())) continue;
      BK_RETURN_IF_ERROR(fd.status());
      struct stat st;
      if (fstat(fd->get(), &st) < 0) return ErrnoError(errno, StrCat("stat ", dir));
      if (!S_ISDIR(st.st_mode)) break;
      if (lchown(target.c_str(), st.st_uid, st.st_gid) < 0) return ErrnoError(errno, StrCat("failed to chown ", dir));
      if (chmod(target.c_str(), st.st_mode & 07777) < 0) return ErrnoError(errno, StrCat("failed to chmod ", dir));
      timespec times[2] = {st.st_atim, st.st_mtim};
      utimensat(AT_FDCWD, target.c_str(), times, AT_SYMLINK_NOFOLLOW);
      return CopyXattrs(StrCat("/proc/self/fd/", fd->get()), target);
    }
    return absl::OkStatus();
  }

  static absl::Status CopyXattrs(const std::string& from, const std::string& to) {
    char names[65536], value[65536];
    ssize_t size = listxattr(from.c_str(), names, sizeof names);
    for (ssize_t at = 0; at < size; at += static_cast<ssize_t>(strlen(names + at)) + 1) {
      std::string_view name = names + at;
      if (name.starts_with("trusted.") || name.starts_with("user.overlay.")) continue;
      ssize_t n = getxattr(from.c_str(), names + at, value, sizeof value);
      if (n >= 0 && lsetxattr(to.c_str(), names + at, value, static_cast<size_t>(n), XATTR_CREATE) < 0 && errno != EOPNOTSUPP && errno != EEXIST) {
        return ErrnoError(errno, StrCat("failed to set xattr ", name, " on ", to));
      }
    }
    return absl::OkStatus();
  }

  absl::Status Whiteout(const TarHeader& header, const std::string& dir, const std::string& base) {
    absl::Status status = base == kOpaque ? Opaque(dir) : Deleted(header, dir, base);
    if (status.ok() || status.code() == absl::StatusCode::kDataLoss) return status;
    return Annotate(status, StrCat("failed to convert whiteout file ", Quote(header.name)));
  }

  absl::Status Deleted(const TarHeader& header, const std::string& dir, const std::string& base) {
    std::string original = base.substr(kWhiteout.size());
    if (original.empty() || original == "." || original == "..") return DataLoss("invalid whiteout name: ", base, ": invalid archive");
    std::string path = os::JoinPath(dir, original);
    if (!target_.overlay) return Remove(path);
    if (target_.only_needed_whiteouts) {
      BK_TRY(bool shown, ShownBelow(path));
      if (!shown) return Remove(path);
    }
    BK_TRY(os::RootDir::Parent parent, root_.OpenParent(path));
    if (mknodat(parent.fd.get(), parent.name.c_str(), S_IFCHR, 0) < 0) return Unknown(ErrnoText(errno));
    if (fchownat(parent.fd.get(), parent.name.c_str(), static_cast<uid_t>(header.uid), static_cast<gid_t>(header.gid), AT_SYMLINK_NOFOLLOW) < 0) {
      return ErrnoError(errno, StrCat("chown ", path));
    }
    return absl::OkStatus();
  }

  // Whether the lower directories together show `path` (links resolved but for the last component).
  absl::StatusOr<bool> ShownBelow(const std::string& path) {
    BK_RETURN_IF_ERROR(AwaitLower());
    for (const std::string& lower : target_.lower_dirs) {
      BK_TRY(os::RootDir root, os::RootDir::Open(lower));
      bool opaque = false;
      size_t end = 0;
      while (end < path.size()) {
        end = std::min(path.find('/', end + 1), path.size());
        auto fd = root.OpenAt(path.substr(0, end), O_PATH | O_NOFOLLOW);
        struct stat st;
        if (!fd.ok()) break;
        if (fstat(fd->get(), &st) < 0) return ErrnoError(errno, StrCat("stat ", lower, path));
        if (S_ISCHR(st.st_mode) && st.st_rdev == 0) return false;
        if (end == path.size()) return true;
        if (!S_ISDIR(st.st_mode)) return false;
        char value = 0;
        std::string name = target_.xattr_prefix + "overlay.opaque";
        opaque |= getxattr(StrCat("/proc/self/fd/", fd->get()).c_str(), name.c_str(), &value, 1) == 1 && value == 'y';
      }
      if (opaque) return false;
    }
    return false;
  }

  absl::Status Opaque(const std::string& dir) {
    BK_TRY(os::UniqueFd fd, root_.OpenAt(dir, O_RDONLY | O_DIRECTORY));
    if (target_.overlay) {
      std::string name = target_.xattr_prefix + "overlay.opaque";
      if (fsetxattr(fd.get(), name.c_str(), "y", 1, 0) < 0) return ErrnoError(errno, StrCat("set ", name, " on ", dir));
      return absl::OkStatus();
    }
    // Everything that this layer did not bring goes, also below directories that it did bring.
    std::vector<std::string> pending = {dir};
    while (!pending.empty()) {
      std::string next = pending.back();
      pending.pop_back();
      BK_TRY(os::UniqueFd open, root_.OpenAt(next, O_RDONLY | O_DIRECTORY));
      BK_TRY(std::vector<std::string> names, os::ListDir(StrCat("/proc/self/fd/", open.get())));
      for (const std::string& name : names) {
        std::string path = os::JoinPath(next, name);
        if (!unpacked_.contains(path)) {
          BK_RETURN_IF_ERROR(Remove(path));
          continue;
        }
        BK_TRY(struct stat st, root_.Lstat(path));
        if (S_ISDIR(st.st_mode)) pending.push_back(path);
      }
    }
    return absl::OkStatus();
  }

  // Anything but a file or a directory.
  absl::Status Create(const TarHeader& header, const Place& place) {
    int dir = place.dir;
    const char* name = place.name.c_str();
    auto fail = [&](std::string_view what) { return ErrnoError(errno, StrCat(what, " ", target_.dir, place.path)); };
    switch (header.type) {
      case '1': return Link(header, place);
      case '2': return symlinkat(header.link_name.c_str(), dir, name) < 0 ? fail(StrCat("symlink ", header.link_name)) : absl::OkStatus();
      case '3':
      case '4': {
        mode_t mode = static_cast<mode_t>(header.mode & 07777) | (header.type == '3' ? S_IFCHR : S_IFBLK);
        dev_t device = makedev(static_cast<unsigned>(header.dev_major), static_cast<unsigned>(header.dev_minor));
        return mknodat(dir, name, mode, device) < 0 ? fail("mknod") : absl::OkStatus();
      }
      case '6': return mknodat(dir, name, static_cast<mode_t>(header.mode & 07777) | S_IFIFO, 0) < 0 ? fail("mkfifo") : absl::OkStatus();
      default: return Unknown("unhandled tar header type ", static_cast<int>(header.type));
    }
  }

  // Writes a file with its attributes; false if something stands there already.
  absl::StatusOr<bool> WriteFile(const TarHeader& header, TarReader& reader, const Place& place) {
    mode_t mode = static_cast<mode_t>(header.mode & 0777);
    os::UniqueFd fd(openat(place.dir, place.name.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode));
    if (!fd && errno == EEXIST) return false;
    if (!fd) return ErrnoError(errno, StrCat("open ", target_.dir, place.path));
    buffer_.resize(256 << 10);
    while (true) {
      BK_TRY(size_t n, reader.Read(buffer_.data(), buffer_.size()));
      if (n == 0) break;
      BK_RETURN_IF_ERROR(os::WriteAll(fd.get(), {buffer_.data(), n}));
    }
    struct stat st;
    if (fstat(fd.get(), &st) < 0) return ErrnoError(errno, StrCat("stat ", place.path));
    BK_RETURN_IF_ERROR(SetNewAttributes(header, place, st));
    auto [atime, mtime] = TimesOf(header);
    timespec times[2] = {atime, mtime};
    if (futimens(fd.get(), times) < 0) return ErrnoError(errno, StrCat("failed call to UtimesNanoAt for ", target_.dir, place.path));
    return true;
  }

  // Makes a directory with its attributes; false if something stands there already.
  absl::StatusOr<bool> MakeDirectory(const TarHeader& header, const Place& place) {
    if (mkdirat(place.dir, place.name.c_str(), static_cast<mode_t>(header.mode & 0777)) < 0) {
      if (errno == EEXIST) return false;
      return ErrnoError(errno, StrCat("mkdir ", target_.dir, place.path));
    }
    struct stat st;
    if (fstatat(place.dir, place.name.c_str(), &st, AT_SYMLINK_NOFOLLOW) < 0) return ErrnoError(errno, StrCat("stat ", place.path));
    BK_RETURN_IF_ERROR(SetNewAttributes(header, place, st));
    BK_RETURN_IF_ERROR(SetTimes(place, header));
    return true;
  }

  // Owner, extended attributes and mode of a file or directory that is new: only what differs from how it was made (`st`).
  absl::Status SetNewAttributes(const TarHeader& header, const Place& place, const struct stat& st) {
    const char* name = place.name.c_str();
    uid_t uid = static_cast<uid_t>(header.uid);
    gid_t gid = static_cast<gid_t>(header.gid);
    if ((uid != st.st_uid || gid != st.st_gid) && fchownat(place.dir, name, uid, gid, AT_SYMLINK_NOFOLLOW) < 0) return ChownError(header, place);
    BK_TRY(bool xattrs, SetXattrs(header, place));
    mode_t mode = static_cast<mode_t>(header.mode & 07777);
    if ((xattrs || mode != (st.st_mode & 07777)) && fchmodat(place.dir, name, mode, 0) < 0) return ErrnoError(errno, StrCat("chmod ", place.path));
    return absl::OkStatus();
  }

  absl::Status Link(const TarHeader& header, const Place& place) {
    std::string cleaned = os::CleanPath(StrCat("/", header.link_name));
    BK_TRY(std::string dir, ResolveParent(os::DirName(cleaned)));
    auto target = root_.OpenParent(os::JoinPath(dir, os::BaseName(cleaned)));
    BK_RETURN_IF_ERROR(target.status());
    if (linkat(target->fd.get(), target->name.c_str(), place.dir, place.name.c_str(), 0) < 0) {
      return ErrnoError(errno, StrCat("link ", target_.dir, cleaned, " ", target_.dir, os::CleanPath(StrCat("/", header.name))));
    }
    return absl::OkStatus();
  }

  absl::Status SetAttributes(const TarHeader& header, const Place& place) {
    const char* name = place.name.c_str();
    if (fchownat(place.dir, name, static_cast<uid_t>(header.uid), static_cast<gid_t>(header.gid), AT_SYMLINK_NOFOLLOW) < 0) return ChownError(header, place);
    BK_RETURN_IF_ERROR(SetXattrs(header, place).status());
    struct stat st;
    if (fstatat(place.dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0) return ErrnoError(errno, StrCat("stat ", place.path));
    if (!S_ISLNK(st.st_mode) && header.type != '2' && fchmodat(place.dir, name, static_cast<mode_t>(header.mode & 07777), 0) < 0) {
      return ErrnoError(errno, StrCat("chmod ", place.path));
    }
    return SetTimes(place, header);
  }

  absl::Status ChownError(const TarHeader& header, const Place& place) const {
    std::string hint = errno == EINVAL && target_.user_namespace ? " (Hint: try increasing the number of subordinate IDs in /etc/subuid and /etc/subgid)" : "";
    return Error(absl::StatusCode::kUnknown, "failed to Lchown ", Quote(target_.dir + place.path), " for UID ", header.uid, ", GID ", header.gid, ": lchown ",
                 target_.dir, place.path, ": ", ErrnoText(errno), hint);
  }

  // Whether there were any.
  absl::StatusOr<bool> SetXattrs(const TarHeader& header, const Place& place) {
    bool any = false;
    for (const auto& [key, value] : header.pax) {
      if (!key.starts_with(kXattr)) continue;
      any = true;
      BK_RETURN_IF_ERROR(SetXattr(header, StrCat("/proc/self/fd/", place.dir, "/", place.name), place.path, key.substr(kXattr.size()), value));
    }
    return any;
  }

  absl::Status SetXattr(const TarHeader& header, const std::string& full, const std::string& path, const std::string& key, const std::string& value) {
    // Markers of an overlay are ours alone; smuggled ones would hide or show lower files.
    if (key.starts_with("trusted.") || key.starts_with("user.overlay.") || key.starts_with("user.fuseoverlayfs.")) return absl::OkStatus();
    if (lsetxattr(full.c_str(), key.c_str(), value.data(), value.size(), 0) == 0 || errno == EOPNOTSUPP) return absl::OkStatus();
    bool special = header.type != '0' && header.type != '5' && header.type != '1';
    if (errno == EPERM && key.starts_with("user.") && special) return absl::OkStatus();
    return Error(absl::StatusCode::kUnknown, "failed to setxattr ", Quote(target_.dir + path), " for key ", Quote(key), ": ", ErrnoText(errno));
  }

  static std::pair<timespec, timespec> TimesOf(const TarHeader& header) {
    TarTime latest = header.has_atime && Later(header.atime, header.mtime) ? header.atime : header.mtime;
    return {Bounded(latest), Bounded(header.mtime)};
  }

  absl::Status SetTimes(const Place& place, const TarHeader& header) const {
    auto [atime, mtime] = TimesOf(header);
    timespec times[2] = {atime, mtime};
    if (utimensat(place.dir, place.name.c_str(), times, AT_SYMLINK_NOFOLLOW) < 0) return ErrnoError(errno, StrCat("failed call to UtimesNanoAt for ", target_.dir, place.path));
    return absl::OkStatus();
  }

  // Entries that came later changed the directory's times, or replaced it: links that now stand there are followed.
  absl::Status SetFinalTimes(const TarHeader& header) {
    ForgetStaleDirs();
    std::string name = os::CleanPath(StrCat("/", header.name));
    if (name == "/") return absl::OkStatus();
    std::string base = os::BaseName(name);
    struct stat st;
    int dir_fd = dirs_.Find(os::DirName(name));
    if (dir_fd >= 0 && fstatat(dir_fd, base.c_str(), &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(st.st_mode)) return SetTimes({dir_fd, base, name}, header);
    BK_TRY(std::string path, ResolveParent(name));
    if (path == "/") return absl::OkStatus();
    auto parent = root_.OpenParent(path);
    if (!parent.ok()) return Annotate(ErrnoError(ENOENT, StrCat(target_.dir, path)), "failed call to UtimesNanoAt for");
    return SetTimes({parent->fd.get(), parent->name, path}, header);
  }

  void ForgetStaleDirs() {
    if (std::exchange(dirs_stale_, false)) dirs_.Forget();
  }

  const ApplyTarget& target_;
  os::RootDir root_;
  OpenDirs dirs_{root_};
  bool lower_awaited_ = false;
  bool dirs_stale_ = false;         // something was removed: what is open may have other names now, or none
  std::set<std::string> unpacked_;  // paths this layer brought
  std::set<std::string> made_;      // parents known to be directories
  std::vector<TarHeader> directories_;
  std::string buffer_;
};

}  // namespace

absl::StatusOr<int64_t> ApplyLayer(const CancelToken& cancel, ByteSource& tar, const ApplyTarget& target) {
  BK_TRY(os::RootDir root, os::RootDir::Open(target.dir));
  return Applier(target, std::move(root)).Run(cancel, tar);
}

}  // namespace bk::diff
