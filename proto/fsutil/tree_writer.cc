#include "proto/fsutil/tree_writer.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/id.h"
#include "base/os/file.h"

namespace bk::fsutil {
namespace {

absl::Status Fail(const char* what, const Stat& stat) { return ErrnoError(errno, StrCat(what, " ", stat.path())); }

struct Times {
  explicit Times(const Stat& stat);
  timespec both[2];
};

Times::Times(const Stat& stat) {
  int64_t seconds = stat.modtime() / 1'000'000'000, nanoseconds = stat.modtime() % 1'000'000'000;
  if (nanoseconds < 0) {
    seconds--;
    nanoseconds += 1'000'000'000;
  }
  both[0] = both[1] = {seconds, nanoseconds};
}

absl::Status SetTime(const Stat& stat, int dir, const std::string& name) {
  return utimensat(dir, name.c_str(), Times(stat).both, AT_SYMLINK_NOFOLLOW) < 0 ? Fail("set times of", stat) : absl::OkStatus();
}

// An ordinary user cannot set everything that a file elsewhere had.
bool XattrRefused() { return errno == EPERM || errno == EOPNOTSUPP; }

// What a new file has already is not set again: each change is one of the file system's journal.
absl::Status SetFileAttributes(const Stat& stat, int fd) {
  struct stat now;
  if (fstat(fd, &now) < 0) return Fail("stat", stat);
  bool other_owner = now.st_uid != stat.uid() || now.st_gid != stat.gid();
  if (other_owner && fchown(fd, stat.uid(), stat.gid()) < 0) return Fail("chown", stat);
  for (const auto& [key, value] : stat.xattrs()) {
    if (fsetxattr(fd, key.c_str(), value.data(), value.size(), 0) < 0 && !XattrRefused()) return Fail(StrCat("setxattr ", key, " of").c_str(), stat);
  }
  mode_t mode = UnixMode(stat.mode()) & 07777;
  // Another owner takes the set-id bits away, an access list the group's.
  bool mode_changed = other_owner || !stat.xattrs().empty() || (now.st_mode & 07777) != mode;
  if (mode_changed && fchmod(fd, mode) < 0) return Fail("chmod", stat);
  return futimens(fd, Times(stat).both) < 0 ? Fail("set times of", stat) : absl::OkStatus();
}

}  // namespace

TreeWriter::~TreeWriter() {
  for (auto& [id, file] : open_) {
    if (file.fd) unlinkat(file.parent->get(), file.written.c_str(), 0);
  }
}

absl::StatusOr<TreeWriter::Parent> TreeWriter::OpenParent(const std::string& path) {
  size_t slash = path.rfind('/');
  std::string_view directory = slash == std::string::npos ? std::string_view() : std::string_view(path).substr(0, slash);
  if (parent_ == nullptr || directory != parent_path_) {
    BK_TRY(os::RootDir::Parent opened, root_.OpenParent(path));
    parent_ = std::make_shared<os::UniqueFd>(std::move(opened.fd));
    parent_path_ = directory;
    return Parent{parent_, std::move(opened.name)};
  }
  return Parent{parent_, path.substr(slash == std::string::npos ? 0 : slash + 1)};
}

absl::StatusOr<bool> TreeWriter::Write(uint32_t id, const Stat& stat, const Stat& sent, bool may_exist) {
  if (stat.path() == ".") return false;  // the root itself is the receiver's
  BK_TRY(Parent parent, OpenParent(stat.path()));
  struct stat old {};
  bool exists = may_exist && fstatat(parent.fd->get(), parent.name.c_str(), &old, AT_SYMLINK_NOFOLLOW) == 0;
  bool is_directory = exists && S_ISDIR(old.st_mode);
  bool directory = (stat.mode() & kModeDir) != 0, regular = (stat.mode() & kModeType) == 0 && stat.linkname().empty();
  if (!(directory && is_directory)) Touch(stat.path());
  // A file takes the place of another one by a rename once it is complete.
  if (exists && !(directory && is_directory) && (is_directory || !regular)) BK_RETURN_IF_ERROR(Remove(stat.path()));
  if (directory) {
    BK_RETURN_IF_ERROR(WriteDirectory(stat, sent, parent, is_directory, exists));
    return false;
  }
  if (regular) {
    open_.emplace(id, File{.stat = stat, .sent = sent, .replaces = exists});
    return true;
  }
  if ((stat.mode() & kModeType) == 0) {
    links_.push_back({stat, sent, exists});
    return false;
  }
  BK_RETURN_IF_ERROR(WriteSpecial(stat, parent));
  BK_RETURN_IF_ERROR(Written(sent, exists));
  return false;
}

absl::Status TreeWriter::WriteDirectory(const Stat& stat, const Stat& sent, const Parent& parent, bool is_directory, bool replaced) {
  directories_.push_back({stat, true});
  if (is_directory) return absl::OkStatus();
  // Its own mode may forbid what still has to be written.
  if (mkdirat(parent.fd->get(), parent.name.c_str(), 0700) < 0) return Fail("mkdir", stat);
  return Written(sent, replaced);
}

absl::Status TreeWriter::Begin(File& file) {
  BK_TRY(Parent parent, OpenParent(file.stat.path()));
  int dir = parent.fd->get();
  file.parent = parent.fd;
  file.written = in_place_ ? parent.name : StrCat(".tmp.", NewId());
  // Not by a rename: ext4 writes a file that takes another one's place out to the disk at once.
  if (in_place_ && file.replaces && unlinkat(dir, file.written.c_str(), 0) < 0 && errno != ENOENT) return Fail("remove", file.stat);
  mode_t mode = in_place_ ? UnixMode(file.stat.mode()) & 0777 : 0600;
  file.fd = os::UniqueFd(openat(dir, file.written.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode));
  if (!file.fd) return Fail("create", file.stat);
  if (observer_ != nullptr) file.hasher = observer_->NewHasher(file.sent);
  return absl::OkStatus();
}

absl::Status TreeWriter::End(File& file) {
  BK_RETURN_IF_ERROR(SetFileAttributes(file.stat, file.fd.get()));
  if (!in_place_) {
    size_t slash = file.stat.path().rfind('/');
    const char* name = file.stat.path().c_str() + (slash == std::string::npos ? 0 : slash + 1);
    if (renameat(file.parent->get(), file.written.c_str(), file.parent->get(), name) < 0) return Fail("rename", file.stat);
  }
  file.fd.Reset();
  return observer_ == nullptr ? absl::OkStatus() : observer_->Written(file.sent, file.hasher->Finish(), false);
}

absl::Status TreeWriter::WriteSpecial(const Stat& stat, const Parent& parent) {
  int dir = parent.fd->get();
  const char* name = parent.name.c_str();
  if (stat.mode() & kModeSymlink) {
    if (symlinkat(stat.linkname().c_str(), dir, name) < 0) return Fail("symlink", stat);
  } else {
    dev_t device = makedev(static_cast<unsigned>(stat.devmajor()), static_cast<unsigned>(stat.devminor()));
    if (mknodat(dir, name, UnixMode(stat.mode()), device) < 0) return Fail("mknod", stat);
  }
  return SetAttributes(stat, parent, parent.name);
}

void TreeWriter::Unchanged(const Stat& stat) {
  if (stat.mode() & kModeDir) directories_.push_back({stat, false});
}

absl::Status TreeWriter::Remove(const std::string& path) {
  BK_TRY(Parent parent, OpenParent(path));
  Touch(path);
  // What is kept open may be removed, or be another directory under its name afterwards.
  if (parent_path_ == path || parent_path_.starts_with(path + "/")) parent_ = nullptr;
  return os::RemoveAll(StrCat("/proc/self/fd/", parent.fd->get(), "/", parent.name));
}

absl::Status TreeWriter::Data(uint32_t id, std::string_view data) {
  auto it = open_.find(id);
  if (it == open_.end()) return InvalidArgument("invalid file request ", id);
  File& file = it->second;
  if (!file.fd) BK_RETURN_IF_ERROR(Begin(file));
  if (!data.empty()) {
    if (file.hasher) file.hasher->Update(data);
    // A write drops it in the kernel, and the reference writes into a file that has its attributes already.
    file.stat.mutable_xattrs()->erase("security.capability");
    return os::WriteAll(file.fd.get(), data);
  }
  BK_RETURN_IF_ERROR(End(file));
  open_.erase(it);
  return absl::OkStatus();
}

absl::Status TreeWriter::Finish() {
  for (const Link& link : links_) BK_RETURN_IF_ERROR(MakeLink(link));
  for (auto it = directories_.rbegin(); it != directories_.rend(); ++it) {
    if (!it->attributes && !touched_.contains(it->stat.path())) continue;
    BK_TRY(Parent parent, OpenParent(it->stat.path()));
    BK_RETURN_IF_ERROR(it->attributes ? SetAttributes(it->stat, parent, parent.name) : SetTime(it->stat, parent.fd->get(), parent.name));
  }
  return absl::OkStatus();
}

absl::Status TreeWriter::MakeLink(const Link& link) {
  BK_TRY(Parent target, OpenParent(link.stat.linkname()));
  BK_TRY(Parent parent, OpenParent(link.stat.path()));
  if (linkat(target.fd->get(), target.name.c_str(), parent.fd->get(), parent.name.c_str(), 0) < 0) return Fail("link", link.stat);
  return Written(link.sent, link.replaced);
}

absl::Status TreeWriter::Written(const Stat& sent, bool replaced) {
  return observer_ == nullptr ? absl::OkStatus() : observer_->Written(sent, observer_->NewHasher(sent)->Finish(), replaced);
}

absl::Status TreeWriter::SetAttributes(const Stat& stat, const Parent& parent, const std::string& name) {
  int dir = parent.fd->get();
  std::string full = StrCat("/proc/self/fd/", dir, "/", name);
  mode_t mode = UnixMode(stat.mode());
  if (fchownat(dir, name.c_str(), stat.uid(), stat.gid(), AT_SYMLINK_NOFOLLOW) < 0) return Fail("chown", stat);
  for (const auto& [key, value] : stat.xattrs()) {
    if (lsetxattr(full.c_str(), key.c_str(), value.data(), value.size(), 0) < 0 && !XattrRefused()) return Fail(StrCat("setxattr ", key, " of").c_str(), stat);
  }
  if (!S_ISLNK(mode) && fchmodat(dir, name.c_str(), mode & 07777, 0) < 0) return Fail("chmod", stat);
  return SetTime(stat, dir, name);
}

absl::Status TreeWriter::WriteFile(const std::string& name, std::string_view bytes) {
  BK_TRY(os::RootDir::Parent parent, root_.OpenParent(name));
  BK_RETURN_IF_ERROR(os::RemoveAll(StrCat("/proc/self/fd/", parent.fd.get(), "/", parent.name)));
  os::UniqueFd fd(openat(parent.fd.get(), parent.name.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644));
  return fd ? os::WriteAll(fd.get(), bytes) : ErrnoError(errno, StrCat("create ", name));
}

void TreeWriter::Touch(const std::string& path) {
  size_t slash = path.rfind('/');
  touched_.insert(slash == std::string::npos ? "" : path.substr(0, slash));
}

}  // namespace bk::fsutil
