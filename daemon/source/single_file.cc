#include "daemon/source/single_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <cerrno>

#include "base/os/file.h"

namespace bk::source {
namespace {

constexpr char kUnnamed[] = "download";      // until the name is known
constexpr unsigned kDefaultMode = 0600;
constexpr int64_t kReserveBytes = 64 << 20;  // left free on the disk: a daemon without room cannot even clean up
constexpr int64_t kMaxOwner = 0xfffffffe;    // the value above means "as it is" (chown(2))

}  // namespace

absl::Status CheckOwner(int64_t uid, int64_t gid) {
  if (uid >= 0 && uid <= kMaxOwner && gid >= 0 && gid <= kMaxOwner) return absl::OkStatus();
  return InvalidArgument("invalid owner ", uid, ":", gid, " of a file");
}

absl::StatusOr<std::unique_ptr<SingleFile>> SingleFile::Create(const CancelToken& cancel, const cache::FetchContext& context, cache::CacheManager& cache, const std::string& description) {
  std::unique_ptr<SingleFile> out(new SingleFile());
  cache::NewOptions fresh;
  fresh.description = description;
  BK_ASSIGN(out->tree_, cache.New(cancel, context, nullptr, fresh));
  BK_ASSIGN(out->active_, out->tree_->Mount(cancel, context, false));
  BK_ASSIGN(out->mount_, os::TempMount::Make(out->active_->mounts()));
  BK_ASSIGN(out->dir_, os::Open(out->mount_.path(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  out->file_ = os::UniqueFd(openat(out->dir_.get(), kUnnamed, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, kDefaultMode));
  if (out->fd() < 0) return ErrnoError(errno, "create " + description);
  return out;
}

int64_t SingleFile::Room() const {
  struct statvfs fs;
  if (fstatvfs(fd(), &fs) < 0) return INT64_MAX;
  return static_cast<int64_t>(fs.f_bavail) * static_cast<int64_t>(fs.f_frsize) - kReserveBytes;
}

absl::Status SingleFile::Finish(const FileAttributes& attributes) {
  const std::string& name = attributes.name;
  // Changing the owner takes away bits of the mode, so the mode comes last (chown(2)).
  if ((attributes.uid != 0 || attributes.gid != 0) && fchown(fd(), static_cast<uid_t>(attributes.uid), static_cast<gid_t>(attributes.gid)) < 0) {
    return ErrnoError(errno, "chown " + name);
  }
  if (fchmod(fd(), attributes.perm == 0 ? kDefaultMode : static_cast<mode_t>(attributes.perm) & 0777) < 0) return ErrnoError(errno, "chmod " + name);
  timespec time{static_cast<time_t>(attributes.mtime_s), 0};
  timespec times[2] = {time, time};
  if (futimens(fd(), times) < 0) return ErrnoError(errno, "set the time of " + name);
  if (name != kUnnamed && renameat(dir_.get(), kUnnamed, dir_.get(), name.c_str()) < 0) return ErrnoError(errno, "create " + name);
  return absl::OkStatus();
}

absl::StatusOr<cache::ImmutablePtr> SingleFile::Commit(const CancelToken& cancel, const FileAttributes& attributes, const std::string& index) {
  BK_RETURN_IF_ERROR(Finish(attributes));
  file_ = os::UniqueFd();
  dir_ = os::UniqueFd();
  mount_ = os::TempMount();
  active_.reset();
  if (!index.empty()) BK_RETURN_IF_ERROR(tree_->SetIndex(index));
  return tree_->Commit(cancel);
}

}  // namespace bk::source
