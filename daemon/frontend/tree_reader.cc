#include "daemon/frontend/tree_reader.h"

#include <dirent.h>
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "base/ignore_pattern.h"
#include "proto/fsutil/stat.h"

namespace bk::frontend {
namespace {

constexpr int64_t kMaxReadBytes = (16 << 20) - 64;  // what a message can carry, with what stands around it there
constexpr size_t kMaxEntries = 200'000;

FileStat FromWire(const fsutil::Stat& stat) {
  FileStat out;
  out.path = stat.path();
  out.mode = stat.mode();
  out.uid = stat.uid();
  out.gid = stat.gid();
  out.size_bytes = stat.size();
  out.mod_time_ns = stat.modtime();
  out.linkname = stat.linkname();
  out.devmajor = stat.devmajor();
  out.devminor = stat.devminor();
  out.xattrs = {stat.xattrs().begin(), stat.xattrs().end()};
  return out;
}

absl::StatusOr<FileStat> StatEntry(int dir_fd, const std::string& name, std::string_view path) {
  struct stat st;
  if (fstatat(dir_fd, name.c_str(), &st, AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH) < 0) return ErrnoError(errno, StrCat("lstat ", path));
  BK_TRY(fsutil::Stat stat, fsutil::MakeStat(dir_fd, name.c_str(), path, st));
  return FromWire(stat);
}

absl::StatusOr<std::vector<std::string>> NamesIn(os::UniqueFd directory) {
  DIR* dir = fdopendir(directory.get());
  if (dir == nullptr) return ErrnoError(errno, "read directory");
  directory.Release();
  std::vector<std::string> names;
  while (const dirent* entry = readdir(dir)) {
    std::string name = entry->d_name;
    if (name != "." && name != "..") names.push_back(std::move(name));
    if (names.size() > kMaxEntries) break;
  }
  closedir(dir);
  if (names.size() > kMaxEntries) return ResourceExhausted("directory has more than ", kMaxEntries, " entries");
  std::sort(names.begin(), names.end());
  return names;
}

}  // namespace

absl::StatusOr<TreeReader> TreeReader::Open(const std::string& path) {
  BK_TRY(os::RootDir root, os::RootDir::Open(path));
  return TreeReader(std::move(root));
}

absl::StatusOr<std::string> TreeReader::ReadFile(const std::string& path, int64_t offset, int64_t length) const {
  // Looked at before it is opened: opening a device or a pipe has effects of its own.
  BK_TRY(os::UniqueFd seen, root_.OpenAt(path, O_PATH));
  struct stat st;
  if (fstat(seen.get(), &st) < 0) return ErrnoError(errno, StrCat("stat ", path));
  if (!S_ISREG(st.st_mode)) return InvalidArgument(path, " is not a regular file");
  BK_TRY(os::UniqueFd file, root_.OpenAt(path, O_RDONLY | O_NONBLOCK));
  if (fstat(file.get(), &st) < 0 || !S_ISREG(st.st_mode)) return InvalidArgument(path, " is not a regular file");

  int64_t rest = std::max<int64_t>(0, st.st_size - offset);
  int64_t wanted = length < 0 ? rest : std::min(length, rest);
  if (wanted > kMaxReadBytes) return ResourceExhausted("read ", path, ": ", wanted, " bytes are more than a message of ", kMaxReadBytes, " carries (ask for ranges)");
  std::string data(static_cast<size_t>(wanted), '\0');
  size_t done = 0;
  while (done < data.size()) {
    ssize_t n = pread(file.get(), data.data() + done, data.size() - done, static_cast<off_t>(offset + static_cast<int64_t>(done)));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return ErrnoError(errno, StrCat("read ", path));
    if (n == 0) break;
    done += static_cast<size_t>(n);
  }
  data.resize(done);
  return data;
}

absl::StatusOr<std::vector<FileStat>> TreeReader::ReadDir(const CancelToken& cancel, const std::string& path, const std::string& include_pattern) const {
  std::vector<std::string> patterns;
  if (!include_pattern.empty()) patterns.push_back(include_pattern);
  BK_TRY(PatternMatcher include, PatternMatcher::Create(patterns));
  BK_TRY(os::UniqueFd directory, root_.OpenAt(path, O_RDONLY | O_DIRECTORY));
  BK_TRY(os::UniqueFd listed, root_.OpenAt(path, O_RDONLY | O_DIRECTORY));
  BK_TRY(auto names, NamesIn(std::move(listed)));
  std::vector<FileStat> out;
  for (const std::string& name : names) {
    BK_RETURN_IF_ERROR(cancel.Check());
    if (!include.empty()) {
      BK_TRY(bool wanted, include.MatchesOrParentMatches(name));
      if (!wanted) continue;
    }
    BK_TRY(FileStat stat, StatEntry(directory.get(), name, name));
    out.push_back(std::move(stat));
  }
  return out;
}

absl::StatusOr<FileStat> TreeReader::StatFile(const std::string& path) const {
  auto resolved = root_.Resolve(path);
  if (!resolved.ok()) return Annotate(resolved.status(), StrCat("lstat ", path));
  if (*resolved == "/") {
    struct stat st;
    if (fstat(root_.fd(), &st) < 0) return ErrnoError(errno, "lstat /");
    BK_TRY(fsutil::Stat stat, fsutil::MakeStat(root_.fd(), ".", "/", st));
    return FromWire(stat);
  }
  auto parent = root_.OpenParent(*resolved);
  if (!parent.ok()) return absl::Status(parent.status().code(), StrCat("lstat ", path, ": no such file or directory"));
  struct stat st;
  if (fstatat(parent->fd.get(), parent->name.c_str(), &st, AT_SYMLINK_NOFOLLOW) < 0) return ErrnoError(errno, StrCat("lstat ", path));
  BK_TRY(fsutil::Stat stat, fsutil::MakeStat(parent->fd.get(), parent->name.c_str(), parent->name, st));
  return FromWire(stat);
}

}  // namespace bk::frontend
