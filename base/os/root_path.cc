#include "base/os/root_path.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/syscall.h>

#include <cerrno>
#include <climits>

#include "base/os/file.h"

namespace bk::os {
namespace {

constexpr int kMaxLinks = 255;

std::string Relative(std::string_view name) {
  size_t start = name.find_first_not_of('/');
  return start == std::string_view::npos ? "." : std::string(name.substr(start));
}

}  // namespace

absl::StatusOr<RootDir> RootDir::Open(const std::string& path) {
  BK_TRY(UniqueFd fd, os::Open(path, O_RDONLY | O_DIRECTORY));
  return RootDir(std::move(fd), path);
}

absl::StatusOr<UniqueFd> RootDir::OpenAt(std::string_view name, int flags, unsigned mode) const {
  open_how how{};
  how.flags = static_cast<uint64_t>(flags | O_CLOEXEC);
  how.mode = (flags & (O_CREAT | O_TMPFILE)) != 0 ? mode : 0;
  how.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS;
  std::string relative = Relative(name);
  for (int attempt = 0;; attempt++) {
    long fd = syscall(SYS_openat2, fd_.get(), relative.c_str(), &how, sizeof how);
    if (fd >= 0) return UniqueFd(static_cast<int>(fd));
    // EAGAIN: a rename or mount elsewhere made the kernel unsure about "..".
    if ((errno == EAGAIN || errno == EINTR) && attempt < 1000) continue;
    return ErrnoError(errno, StrCat("open ", name));
  }
}

absl::StatusOr<struct stat> RootDir::Stat(std::string_view name) const {
  BK_TRY(UniqueFd fd, OpenAt(name, O_PATH));
  struct stat st;
  if (fstat(fd.get(), &st) < 0) return ErrnoError(errno, StrCat("stat ", name));
  return st;
}

absl::StatusOr<struct stat> RootDir::Lstat(std::string_view name) const {
  BK_TRY(UniqueFd fd, OpenAt(name, O_PATH | O_NOFOLLOW));
  struct stat st;
  if (fstat(fd.get(), &st) < 0) return ErrnoError(errno, StrCat("lstat ", name));
  return st;
}

absl::StatusOr<std::string> RootDir::ReadLink(std::string_view name) const {
  BK_TRY(UniqueFd fd, OpenAt(name, O_PATH | O_NOFOLLOW));
  char target[PATH_MAX];
  ssize_t n = readlinkat(fd.get(), "", target, sizeof target);
  if (n < 0) return ErrnoError(errno, StrCat("readlink ", name));
  return std::string(target, static_cast<size_t>(n));
}

absl::StatusOr<std::string> RootDir::ReadFile(std::string_view name, uint64_t limit_bytes) const {
  // O_NONBLOCK: opening a FIFO must not wait for a writer; the kind is checked before anything is read.
  BK_TRY(UniqueFd fd, OpenAt(name, O_RDONLY | O_NONBLOCK | O_NOCTTY));
  struct stat st;
  if (fstat(fd.get(), &st) < 0) return ErrnoError(errno, StrCat("stat ", name));
  if (!S_ISREG(st.st_mode)) return InvalidArgument(name, ": not a regular file");
  auto bytes = ReadAll(fd.get(), limit_bytes);
  if (!bytes.ok()) return Annotate(bytes.status(), name);
  return bytes;
}

absl::StatusOr<RootDir::Parent> RootDir::OpenParent(std::string_view name) const {
  while (!name.empty() && name.back() == '/') name.remove_suffix(1);
  size_t slash = name.rfind('/');
  std::string base(slash == std::string_view::npos ? name : name.substr(slash + 1));
  if (base.empty() || base == "." || base == "..") return InvalidArgument("path ", Quote(name), " has no usable last component");
  BK_TRY(UniqueFd fd, OpenAt(slash == std::string_view::npos ? "." : name.substr(0, slash), O_PATH | O_DIRECTORY));
  return Parent{std::move(fd), std::move(base)};
}

absl::StatusOr<std::vector<std::string>> RootDir::MakeDirs(std::string_view name, unsigned mode, uid_t uid, gid_t gid) const {
  std::vector<std::string> made;
  std::string path;
  std::string cleaned = CleanPath(StrCat("/", name));
  for (size_t i = 1; i < cleaned.size();) {
    size_t end = std::min(cleaned.find('/', i), cleaned.size());
    path = cleaned.substr(0, end);
    i = end + 1;
    auto st = Stat(path);
    if (st.ok()) {
      if (!S_ISDIR(st->st_mode)) return ErrnoError(ENOTDIR, StrCat("mkdir ", path));
      continue;
    }
    if (!absl::IsNotFound(st.status())) return st.status();
    // A dangling link resolves to the directory it names.
    BK_TRY(std::string target, Resolve(path));
    if (target != path) {
      BK_TRY(auto below, MakeDirs(target, mode, uid, gid));
      made.insert(made.end(), below.begin(), below.end());
      continue;
    }
    BK_TRY(Parent parent, OpenParent(path));
    if (mkdirat(parent.fd.get(), parent.name.c_str(), mode) < 0) {
      if (errno == EEXIST) continue;
      return ErrnoError(errno, StrCat("mkdir ", path));
    }
    // mkdir applies the umask; the caller means the mode.
    if (fchmodat(parent.fd.get(), parent.name.c_str(), mode, 0) < 0) return ErrnoError(errno, StrCat("chmod ", path));
    if (fchownat(parent.fd.get(), parent.name.c_str(), uid, gid, AT_SYMLINK_NOFOLLOW) < 0) return ErrnoError(errno, StrCat("chown ", path));
    made.push_back(path);
  }
  return made;
}

absl::StatusOr<std::string> RootDir::Resolve(std::string_view name) const {
  std::string pending = CleanPath(StrCat("/", name));
  std::string done = "/";
  int links = 0;
  size_t i = 1;
  while (i <= pending.size() && i > 0) {
    size_t end = std::min(pending.find('/', i), pending.size());
    std::string part = pending.substr(i, end - i);
    i = end + 1;
    if (part.empty() || part == ".") continue;
    if (part == "..") {
      done = DirName(done);
      continue;
    }
    std::string next = JoinPath(done, part);
    auto st = Lstat(next);
    if (!st.ok() && !absl::IsNotFound(st.status())) return st.status();
    if (!st.ok() || !S_ISLNK(st->st_mode)) {
      done = next;
      continue;
    }
    if (++links > kMaxLinks) return ErrnoError(ELOOP, StrCat("resolve ", name));
    BK_TRY(std::string target, ReadLink(next));
    std::string rest = i <= pending.size() ? pending.substr(i) : "";
    if (!target.empty() && target[0] == '/') done = "/";
    pending = StrCat("/", target, "/", rest);
    i = 1;
  }
  return done;
}

}  // namespace bk::os
