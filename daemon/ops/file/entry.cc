#include "daemon/ops/file/entry.h"

#include <fcntl.h>
#include <sys/xattr.h>

#include <cerrno>

#include "base/os/file.h"
#include "base/os/xattr.h"

namespace bk::ops::file {
namespace {

constexpr int64_t kNsPerSecond = 1'000'000'000;

timespec ToTimespec(int64_t ns) {
  int64_t seconds = ns / kNsPerSecond, rest = ns % kNsPerSecond;
  if (rest < 0) seconds--, rest += kNsPerSecond;
  return {seconds, rest};
}

bool DescribesLayer(std::string_view name) { return name.starts_with("trusted.overlay.") || name.starts_with("user.overlay.") || name.starts_with("user.fuseoverlayfs."); }

}  // namespace

std::string Entry::ProcPath() const { return StrCat("/proc/self/fd/", dir, "/", name); }

absl::StatusOr<std::optional<struct stat>> LstatEntry(const Entry& entry) {
  struct stat st;
  if (fstatat(entry.dir, entry.name.c_str(), &st, AT_SYMLINK_NOFOLLOW) == 0) return std::optional<struct stat>(st);
  if (errno == ENOENT) return std::optional<struct stat>();
  return ErrnoError(errno, StrCat("lstat ", entry.path));
}

absl::Status SetOwner(const Entry& entry, const Owner& owner) {
  if (fchownat(entry.dir, entry.name.c_str(), owner.uid, owner.gid, AT_SYMLINK_NOFOLLOW) == 0) return absl::OkStatus();
  return ErrnoError(errno, StrCat("lchown ", entry.path));
}

absl::Status SetTimes(const Entry& entry, const timespec& access, const timespec& modify) {
  timespec times[] = {access, modify};
  if (utimensat(entry.dir, entry.name.c_str(), times, AT_SYMLINK_NOFOLLOW) == 0) return absl::OkStatus();
  return ErrnoError(errno, StrCat("failed to utime ", entry.path));
}

absl::Status SetTime(const Entry& entry, std::optional<int64_t> ns) {
  return ns ? SetTimes(entry, ToTimespec(*ns), ToTimespec(*ns)) : absl::OkStatus();
}

absl::Status SetMode(const Entry& entry, unsigned mode) {
  if (fchmodat(entry.dir, entry.name.c_str(), mode & 07777, 0) == 0) return absl::OkStatus();
  return ErrnoError(errno, StrCat("chmod ", entry.path));
}

absl::Status RemoveTree(const Entry& entry) {
  auto removed = os::RemoveAll(entry.ProcPath());
  return removed.ok() ? removed : absl::Status(removed.code(), StrCat("unlinkat ", entry.path, ": ", Message(removed)));
}

void CopyXattrs(const Entry& from, const Entry& to) {
  std::string names(256, '\0');
  ssize_t size;
  while ((size = os::ListXattrsAt(from.dir, from.name.c_str(), names.data(), names.size())) < 0 && errno == ERANGE) names.resize(names.size() * 4);
  if (size <= 0) return;
  std::string source = from.ProcPath(), target = to.ProcPath(), value(4096, '\0');
  for (size_t at = 0; at < static_cast<size_t>(size);) {
    std::string name(names.c_str() + at);
    at += name.size() + 1;
    if (DescribesLayer(name)) continue;
    ssize_t length;
    while ((length = lgetxattr(source.c_str(), name.c_str(), value.data(), value.size())) < 0 && errno == ERANGE) value.resize(value.size() * 4);
    if (length >= 0) (void)lsetxattr(target.c_str(), name.c_str(), value.data(), static_cast<size_t>(length), 0);
  }
}

absl::Status Renamed(const absl::Status& status, std::string_view what) {
  std::string text = Message(status);
  size_t reason = text.rfind(": ");
  return absl::Status(status.code(), StrCat(what, ": ", reason == std::string::npos ? text : text.substr(reason + 2)));
}

std::optional<int64_t> ActionTime(int64_t timestamp) { return timestamp == -1 ? std::nullopt : std::optional(timestamp); }

}  // namespace bk::ops::file
