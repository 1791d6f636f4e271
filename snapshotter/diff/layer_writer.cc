#include "snapshotter/diff/layer_writer.h"

#include <fcntl.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>

#include <cerrno>

#include "base/os/file.h"

namespace bk::diff {
namespace {

constexpr char kCapability[] = "security.capability";

char TypeOf(mode_t mode) {
  switch (mode & S_IFMT) {
    case S_IFDIR: return '5';
    case S_IFLNK: return '2';
    case S_IFCHR: return '3';
    case S_IFBLK: return '4';
    case S_IFIFO: return '6';
    default: return '0';
  }
}

}  // namespace

absl::Status LayerWriter::Change(ChangeKind kind, const std::string& path, const struct stat* st) {
  if (kind == ChangeKind::kDelete) return Whiteout(path);
  if (S_ISSOCK(st->st_mode)) return absl::OkStatus();
  std::string source = source_ + path;
  TarHeader header;
  header.type = TypeOf(st->st_mode);
  header.name = path.substr(1);
  if (header.type == '5') header.name += '/';
  if (header.type == '2') BK_ASSIGN(header.link_name, os::ReadLink(source));
  header.mode = st->st_mode & 07777;
  header.uid = st->st_uid;
  header.gid = st->st_gid;
  if (header.type == '0') header.size_bytes = st->st_size;
  header.mtime.seconds = st->st_mtim.tv_sec;
  if (header.type == '3' || header.type == '4') {
    header.dev_major = major(st->st_rdev);
    header.dev_minor = minor(st->st_rdev);
  }
  std::vector<std::string> further_names;
  if (header.type != '5' && st->st_nlink > 1) {
    std::pair inode(st->st_dev, st->st_ino);
    auto first = inode_source_.find(inode);
    if (first != inode_source_.end()) {
      header.type = '1';
      header.link_name = first->second;
      header.size_bytes = 0;
    } else if (kind == ChangeKind::kUnmodified) {
      unmodified_inode_names_[inode].push_back(header.name);
      return absl::OkStatus();
    } else {
      inode_source_[inode] = header.name;
      further_names = std::move(unmodified_inode_names_[inode]);
      unmodified_inode_names_.erase(inode);
    }
  } else if (kind == ChangeKind::kUnmodified) {
    return absl::OkStatus();
  }
  char capability[1024];
  ssize_t n = lgetxattr(source.c_str(), kCapability, capability, sizeof capability);
  if (n > 0) header.pax[StrCat("SCHILY.xattr.", kCapability)] = std::string(capability, static_cast<size_t>(n));

  BK_RETURN_IF_ERROR(IncludeParents(header.name, header.type == '5'));
  BK_RETURN_IF_ERROR(tar_.Header(header));
  if (header.type == '0' && header.size_bytes > 0) BK_RETURN_IF_ERROR(WriteData(source, header.size_bytes));
  std::string first_name = header.name;
  for (const std::string& name : further_names) {
    header.name = name;
    header.type = '1';
    header.link_name = first_name;
    header.size_bytes = 0;
    BK_RETURN_IF_ERROR(IncludeParents(name, false));
    BK_RETURN_IF_ERROR(tar_.Header(header));
  }
  return absl::OkStatus();
}

absl::Status LayerWriter::Whiteout(const std::string& path) {
  TarHeader header;
  std::string dir = os::DirName(path);
  header.name = os::JoinPath(dir, StrCat(".wh.", os::BaseName(path))).substr(1);
  BK_RETURN_IF_ERROR(IncludeParents(header.name, false));
  return tar_.Header(header);
}

absl::Status LayerWriter::IncludeParents(const std::string& entry_name, bool is_dir) {
  std::string name = entry_name;
  while (!name.empty() && name.back() == '/') name.pop_back();
  size_t slash = name.rfind('/');
  if (slash != std::string::npos) {
    std::string parent = name.substr(0, slash);
    if (added_dirs_.insert(parent).second) {
      struct stat st;
      if (stat(StrCat(source_, "/", parent).c_str(), &st) < 0) return ErrnoError(errno, StrCat("stat ", source_, "/", parent));
      BK_RETURN_IF_ERROR(Change(ChangeKind::kModify, StrCat("/", parent), &st));
    }
  }
  if (is_dir) added_dirs_.insert(name);
  return absl::OkStatus();
}

absl::Status LayerWriter::WriteData(const std::string& path, int64_t size) {
  BK_TRY(os::UniqueFd fd, os::Open(path, O_RDONLY | O_NOFOLLOW));
  std::string buffer(static_cast<size_t>(std::min<int64_t>(size, 256 << 10)), '\0');
  while (size > 0) {
    ssize_t n = read(fd.get(), buffer.data(), std::min(buffer.size(), static_cast<size_t>(size)));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return ErrnoError(errno, StrCat("read ", path));
    if (n == 0) return Unknown("short write copying file ", path);
    BK_RETURN_IF_ERROR(tar_.Data({buffer.data(), static_cast<size_t>(n)}));
    size -= n;
  }
  return absl::OkStatus();
}

}  // namespace bk::diff
