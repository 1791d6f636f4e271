#include "base/os/file.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstdlib>

#include "base/id.h"

namespace bk::os {
namespace {

bool IsDots(const char* name) { return name[0] == '.' && (name[1] == 0 || (name[1] == '.' && name[2] == 0)); }

// One directory on the way down of RemoveAll.
struct Level {
  DIR* dir;
  std::string name;  // in its parent
};

// Opens `name` below `parent` for removal; makes it accessible first where its mode forbids (an ordinary owner's tree).
DIR* OpenForRemoval(int parent, const char* name) {
  int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  if (fd < 0 && errno == EACCES && fchmodat(parent, name, 0700, 0) == 0) {
    fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  }
  if (fd < 0) return nullptr;
  DIR* dir = fdopendir(fd);
  if (dir == nullptr) close(fd);
  return dir;
}

// unlinkat that mends a directory without write permission once.
int Unlink(int parent, const char* name, int flags) {
  int result = unlinkat(parent, name, flags);
  if (result < 0 && errno == EACCES && fchmod(parent, 0700) == 0) result = unlinkat(parent, name, flags);
  return result;
}

}  // namespace

absl::StatusOr<UniqueFd> Open(const std::string& path, int flags, unsigned mode) {
  UniqueFd fd(open(path.c_str(), flags | O_CLOEXEC, mode));
  if (!fd) return ErrnoError(errno, StrCat("open ", path));
  return fd;
}

absl::StatusOr<std::string> ReadAll(int fd, uint64_t limit_bytes) {
  std::string bytes;
  size_t done = 0;
  while (true) {
    bytes.resize(std::max<size_t>(done + 16384, done * 2));
    ssize_t n = read(fd, bytes.data() + done, bytes.size() - done);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return ErrnoError(errno, "read");
    if (n == 0) break;
    done += static_cast<size_t>(n);
    if (done > limit_bytes) return ResourceExhausted("file is larger than the limit of ", limit_bytes, " bytes");
  }
  bytes.resize(done);
  return bytes;
}

absl::StatusOr<std::string> ReadFile(const std::string& path, uint64_t limit_bytes) {
  BK_TRY(UniqueFd fd, Open(path, O_RDONLY));
  struct stat st;
  if (fstat(fd.get(), &st) == 0 && S_ISDIR(st.st_mode)) return ErrnoError(EISDIR, StrCat("read ", path));
  auto bytes = ReadAll(fd.get(), limit_bytes);
  if (!bytes.ok()) return Annotate(bytes.status(), path);
  return bytes;
}

absl::Status WriteAll(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    ssize_t n = write(fd, bytes.data(), bytes.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return ErrnoError(errno, "write");
    bytes.remove_prefix(static_cast<size_t>(n));
  }
  return absl::OkStatus();
}

absl::Status WriteFile(const std::string& path, std::string_view bytes, unsigned mode) {
  BK_TRY(UniqueFd fd, Open(path, O_WRONLY | O_CREAT | O_TRUNC, mode));
  if (auto s = WriteAll(fd.get(), bytes); !s.ok()) return Annotate(s, path);
  return absl::OkStatus();
}

absl::Status WriteFileAtomic(const std::string& path, std::string_view bytes, unsigned mode, bool durable) {
  std::string temporary = StrCat(path, ".", NewId(), ".tmp");
  auto status = WriteFile(temporary, bytes, mode);
  if (status.ok() && durable) {
    BK_TRY(UniqueFd fd, Open(temporary, O_RDONLY));
    if (fsync(fd.get()) < 0) status = ErrnoError(errno, StrCat("fsync ", temporary));
  }
  if (status.ok() && rename(temporary.c_str(), path.c_str()) < 0) status = ErrnoError(errno, StrCat("rename to ", path));
  if (!status.ok()) {
    unlink(temporary.c_str());
    return status;
  }
  if (durable) {
    BK_TRY(UniqueFd dir, Open(DirName(path), O_RDONLY | O_DIRECTORY));
    if (fsync(dir.get()) < 0) return ErrnoError(errno, StrCat("fsync ", DirName(path)));
  }
  return absl::OkStatus();
}

absl::Status MakeDirs(const std::string& path, unsigned mode) {
  for (size_t i = 1; i <= path.size(); i++) {
    if (i != path.size() && path[i] != '/') continue;
    std::string part = path.substr(0, i);
    if (mkdir(part.c_str(), mode) == 0) continue;
    int error = errno;
    struct stat st;
    if (stat(part.c_str(), &st) == 0 && S_ISDIR(st.st_mode)) continue;
    return ErrnoError(error == EEXIST ? ENOTDIR : error, StrCat("mkdir ", part));
  }
  return absl::OkStatus();
}

absl::Status RemoveAll(const std::string& path) {
  if (unlink(path.c_str()) == 0 || errno == ENOENT) return absl::OkStatus();
  if (errno == ENOTDIR) return absl::OkStatus();
  std::vector<Level> levels;
  auto fail = [&](int error, std::string_view what) {
    for (Level& level : levels) closedir(level.dir);
    return ErrnoError(error, what);
  };
  DIR* top = OpenForRemoval(AT_FDCWD, path.c_str());
  if (top == nullptr) return errno == ENOENT ? absl::OkStatus() : ErrnoError(errno, StrCat("remove ", path));
  levels.push_back({top, path});
  while (!levels.empty()) {
    DIR* dir = levels.back().dir;
    errno = 0;
    dirent* entry = readdir(dir);
    if (entry == nullptr) {
      if (errno != 0) return fail(errno, StrCat("read directory in ", path));
      std::string name = levels.back().name;
      closedir(dir);
      levels.pop_back();
      int parent = levels.empty() ? AT_FDCWD : dirfd(levels.back().dir);
      if (Unlink(parent, name.c_str(), AT_REMOVEDIR) < 0 && errno != ENOENT) return fail(errno, StrCat("remove ", name, " in ", path));
      // Entries were removed while this directory was read: start it over, so that none is skipped.
      if (!levels.empty()) rewinddir(levels.back().dir);
      continue;
    }
    if (IsDots(entry->d_name)) continue;
    if (entry->d_type != DT_DIR && Unlink(dirfd(dir), entry->d_name, 0) == 0) continue;
    if (entry->d_type != DT_DIR && errno == ENOENT) continue;
    if (entry->d_type != DT_DIR && errno != EISDIR && errno != EPERM) {
      return fail(errno, StrCat("remove ", entry->d_name, " in ", path));
    }
    std::string name = entry->d_name;
    DIR* child = OpenForRemoval(dirfd(dir), name.c_str());
    if (child == nullptr) {
      if (errno == ENOENT) continue;
      return fail(errno, StrCat("remove ", name, " in ", path));
    }
    levels.push_back({child, std::move(name)});
  }
  return absl::OkStatus();
}

absl::StatusOr<std::vector<std::string>> ListDir(const std::string& path) {
  DIR* dir = opendir(path.c_str());
  if (dir == nullptr) return ErrnoError(errno, StrCat("open ", path));
  std::vector<std::string> names;
  while (dirent* entry = readdir(dir)) {
    if (!IsDots(entry->d_name)) names.push_back(entry->d_name);
  }
  closedir(dir);
  std::sort(names.begin(), names.end());
  return names;
}

bool Exists(const std::string& path) {
  struct stat st;
  return lstat(path.c_str(), &st) == 0;
}

absl::StatusOr<std::string> ReadLink(const std::string& path) {
  char target[PATH_MAX];
  ssize_t n = readlink(path.c_str(), target, sizeof target);
  if (n < 0) return ErrnoError(errno, StrCat("readlink ", path));
  return std::string(target, static_cast<size_t>(n));
}

std::string JoinPath(std::string_view a, std::string_view b) {
  if (a.empty()) return CleanPath(b);
  if (b.empty()) return CleanPath(a);
  return CleanPath(StrCat(a, "/", b));
}

std::string CleanPath(std::string_view path) {
  bool rooted = !path.empty() && path[0] == '/';
  std::vector<std::string_view> parts;
  for (size_t i = 0; i < path.size();) {
    size_t end = std::min(path.find('/', i), path.size());
    std::string_view part = path.substr(i, end - i);
    i = end + 1;
    if (part.empty() || part == ".") continue;
    if (part == ".." && !parts.empty() && parts.back() != "..") {
      parts.pop_back();
    } else if (part != ".." || !rooted) {
      parts.push_back(part);
    }
  }
  std::string out = rooted ? "/" : "";
  for (size_t i = 0; i < parts.size(); i++) {
    if (i > 0) out += '/';
    out += parts[i];
  }
  return out.empty() ? "." : out;
}

std::string DirName(std::string_view path) {
  size_t slash = path.rfind('/');
  return CleanPath(slash == std::string_view::npos ? "" : path.substr(0, slash + 1));
}

std::string BaseName(std::string_view path) {
  if (path.empty()) return ".";
  while (path.size() > 1 && path.back() == '/') path.remove_suffix(1);
  if (path == "/") return "/";
  size_t slash = path.rfind('/');
  return std::string(slash == std::string_view::npos ? path : path.substr(slash + 1));
}

absl::StatusOr<TempDir> TempDir::Make(std::string_view prefix, const std::string& parent) {
  std::string base = parent;
  if (base.empty()) {
    const char* tmpdir = getenv("TMPDIR");
    base = tmpdir != nullptr && *tmpdir != 0 ? tmpdir : "/tmp";
  }
  std::string name = StrCat(base, "/", prefix, "XXXXXX");
  if (mkdtemp(name.data()) == nullptr) return ErrnoError(errno, StrCat("mkdtemp ", name));
  TempDir dir;
  dir.path_ = std::move(name);
  return dir;
}

TempDir::~TempDir() {
  if (!path_.empty()) RemoveAll(path_).IgnoreError();
}

}  // namespace bk::os
