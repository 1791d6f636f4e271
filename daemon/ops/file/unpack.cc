// ADD of a local archive: extracts tar files below the target directory with the rules of docker's archive package.
//
// libarchive decodes (foreign archives only; layers have our own codec). Every entry is placed through a RootDir of the
// target directory, so names and links in the archive cannot leave it.
#include <archive.h>
#include <archive_entry.h>
#include <fcntl.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>

#include <cerrno>
#include <memory>

#include "base/archive/reader.h"
#include "base/os/file.h"
#include "base/path.h"
#include "daemon/ops/file/actions.h"

namespace bk::ops::file {
namespace {

std::string ArchiveError(archive* a) {
  const char* text = archive_error_string(a);
  return text == nullptr ? "unknown error" : text;
}

// A reader at the first entry; null if the file is no tar archive.
ArchivePtr OpenArchive(int fd, archive_entry*& first) {
  ArchivePtr a = NewArchiveReader();
  if (a == nullptr || archive_read_open_fd(a.get(), fd, 256 << 10) != ARCHIVE_OK) return nullptr;
  int result = archive_read_next_header(a.get(), &first);
  if (result != ARCHIVE_OK && result != ARCHIVE_WARN) return nullptr;
  // One compression and the plain stream below it; an archive packed twice is a file.
  if (archive_filter_count(a.get()) > 2) return nullptr;
  return a;
}

std::string Text(const char* raw, const char* utf8) { return raw != nullptr ? raw : utf8 != nullptr ? utf8 : ""; }

class Extractor {
 public:
  Extractor(const os::RootDir& root, const std::optional<Owner>& owner) : root_(root), owner_(owner) {}

  absl::Status Run(const CancelToken& cancel, archive* a, archive_entry* entry) {
    while (true) {
      BK_RETURN_IF_ERROR(cancel.Check());
      BK_RETURN_IF_ERROR(Extract(cancel, a, entry));
      int result = archive_read_next_header(a, &entry);
      if (result == ARCHIVE_EOF) break;
      if (result != ARCHIVE_OK && result != ARCHIVE_WARN) return Unknown("unpack: ", ArchiveError(a));
    }
    // Last, because making entries changes the times of directories.
    for (auto& [path, times] : directories_) {
      BK_TRY(os::RootDir::Parent parent, root_.OpenParent(path));
      BK_RETURN_IF_ERROR(SetTimes({parent.fd.get(), parent.name, path}, times.first, times.second));
    }
    return absl::OkStatus();
  }

 private:
  absl::Status Extract(const CancelToken& cancel, archive* a, archive_entry* entry) {
    std::string name = CleanPath(Text(archive_entry_pathname(entry), archive_entry_pathname_utf8(entry)));
    std::string path = JoinPath("/", name);
    if (path == "/") return absl::OkStatus();
    // A parent that is a link is followed, inside the target.
    BK_RETURN_IF_ERROR(root_.MakeDirs(DirName(path), 0755, 0, 0).status());
    BK_TRY(os::RootDir::Parent parent, root_.OpenParent(path));
    Entry place{parent.fd.get(), parent.name, path};
    bool directory = archive_entry_filetype(entry) == AE_IFDIR && archive_entry_hardlink(entry) == nullptr;
    BK_TRY(auto before, LstatEntry(place));
    if (before && !(S_ISDIR(before->st_mode) && directory)) BK_RETURN_IF_ERROR(RemoveTree(place));
    bool keep_directory = before && S_ISDIR(before->st_mode) && directory;
    BK_TRY(bool made, keep_directory ? absl::StatusOr<bool>(true) : Make(cancel, a, entry, place));
    return made ? Attributes(entry, place, directory) : absl::OkStatus();
  }

  // False for what a user namespace cannot make.
  absl::StatusOr<bool> Make(const CancelToken& cancel, archive* a, archive_entry* entry, const Entry& place) {
    int result = 0;
    if (const char* link = archive_entry_hardlink(entry)) {
      BK_TRY(os::RootDir::Parent target, root_.OpenParent(JoinPath("/", link)));
      result = linkat(target.fd.get(), target.name.c_str(), place.dir, place.name.c_str(), 0);
      return result < 0 ? absl::StatusOr<bool>(ErrnoError(errno, StrCat("link ", link, " ", place.path))) : true;
    }
    mode_t mode = archive_entry_perm(entry) & 07777;
    switch (archive_entry_filetype(entry)) {
      case AE_IFREG: BK_RETURN_IF_ERROR(WriteFile(cancel, a, place)); return true;
      case AE_IFDIR: result = mkdirat(place.dir, place.name.c_str(), mode); break;
      case AE_IFLNK: result = symlinkat(Text(archive_entry_symlink(entry), archive_entry_symlink_utf8(entry)).c_str(), place.dir, place.name.c_str()); break;
      case AE_IFCHR:
      case AE_IFBLK:
      case AE_IFIFO: {
        dev_t device = makedev(archive_entry_rdevmajor(entry), archive_entry_rdevminor(entry));
        result = mknodat(place.dir, place.name.c_str(), mode | archive_entry_filetype(entry), device);
        if (result < 0 && errno == EPERM) return false;
        break;
      }
      default: return Unknown("unhandled tar header type of ", Quote(place.path));
    }
    return result < 0 ? absl::StatusOr<bool>(ErrnoError(errno, StrCat("unpack ", place.path))) : true;
  }

  absl::Status WriteFile(const CancelToken& cancel, archive* a, const Entry& place) {
    os::UniqueFd fd(openat(place.dir, place.name.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
    if (!fd) return ErrnoError(errno, StrCat("open ", place.path));
    const void* data;
    size_t size;
    la_int64_t offset, end = 0;
    int result;
    while ((result = archive_read_data_block(a, &data, &size, &offset)) == ARCHIVE_OK || result == ARCHIVE_WARN) {
      BK_RETURN_IF_ERROR(cancel.Check());
      // Holes of sparse entries are not written.
      if (lseek(fd.get(), offset, SEEK_SET) < 0) return ErrnoError(errno, StrCat("seek ", place.path));
      BK_RETURN_IF_ERROR(Annotate(os::WriteAll(fd.get(), {static_cast<const char*>(data), size}), StrCat("write ", place.path)));
      end = offset + static_cast<la_int64_t>(size);
    }
    if (result != ARCHIVE_EOF) return Unknown("unpack ", place.path, ": ", ArchiveError(a));
    return ftruncate(fd.get(), end) < 0 ? ErrnoError(errno, StrCat("truncate ", place.path)) : absl::OkStatus();
  }

  absl::Status Attributes(archive_entry* entry, const Entry& place, bool directory) {
    Owner owner = owner_.value_or(Owner{static_cast<uid_t>(archive_entry_uid(entry)), static_cast<gid_t>(archive_entry_gid(entry))});
    if (auto set = SetOwner(place, owner); !set.ok()) {
      return absl::Status(set.code(), StrCat("failed to Lchown ", Quote(place.path), " for UID ", owner.uid, ", GID ", owner.gid, ": ", ErrnoText(errno)));
    }
    SetXattrs(entry, place);
    bool link = archive_entry_filetype(entry) == AE_IFLNK;
    if (archive_entry_hardlink(entry) != nullptr) {
      BK_TRY(auto st, LstatEntry(place));
      link = st && S_ISLNK(st->st_mode);
      if (link) return absl::OkStatus();
    }
    if (!link) BK_RETURN_IF_ERROR(SetMode(place, archive_entry_perm(entry) & 07777));
    timespec modify{archive_entry_mtime(entry), archive_entry_mtime_nsec(entry)};
    timespec access = archive_entry_atime_is_set(entry) ? timespec{archive_entry_atime(entry), archive_entry_atime_nsec(entry)} : modify;
    if (access.tv_sec < modify.tv_sec || (access.tv_sec == modify.tv_sec && access.tv_nsec < modify.tv_nsec)) access = modify;
    if (directory) directories_.emplace_back(place.path, std::pair(access, modify));
    return SetTimes(place, access, modify);
  }

  // What the target's file system does not take is left out.
  static void SetXattrs(archive_entry* entry, const Entry& place) {
    const char* name;
    const void* value;
    size_t size;
    archive_entry_xattr_reset(entry);
    while (archive_entry_xattr_next(entry, &name, &value, &size) == ARCHIVE_OK) {
      if (name != nullptr) (void)lsetxattr(place.ProcPath().c_str(), name, value, size, 0);
    }
  }

  const os::RootDir& root_;
  const std::optional<Owner>& owner_;
  std::vector<std::pair<std::string, std::pair<timespec, timespec>>> directories_;
};

}  // namespace

absl::StatusOr<bool> UnpackArchive(const CancelToken& cancel, const os::RootDir& source, const std::string& path, const os::RootDir& target, const std::string& dest,
                                   const std::optional<Owner>& owner, std::optional<int64_t> time_ns) {
  auto fd = source.OpenAt(path, O_RDONLY | O_NONBLOCK | O_NOCTTY);
  struct stat st;
  if (!fd.ok() || fstat(fd->get(), &st) < 0 || !S_ISREG(st.st_mode)) return false;
  archive_entry* first = nullptr;
  ArchivePtr archive = OpenArchive(fd->get(), first);
  if (archive == nullptr) return false;
  BK_TRY(std::string directory, target.Resolve(dest));
  BK_RETURN_IF_ERROR(MakeParents(target, directory, 0755, owner, time_ns).status());
  BK_TRY(os::UniqueFd below, target.OpenAt(directory, O_RDONLY | O_DIRECTORY));
  os::RootDir root = os::RootDir::FromFd(std::move(below), directory);
  BK_RETURN_IF_ERROR(Extractor(root, owner).Run(cancel, archive.get(), first));
  return true;
}

}  // namespace bk::ops::file
