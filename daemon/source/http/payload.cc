#include "daemon/source/http/payload.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>

#include "base/go_url.h"
#include "base/os/file.h"
#include "daemon/source/http/key.h"

namespace bk::source::http {
namespace {

constexpr char kUnnamed[] = "download";             // until the last answer has said the name
constexpr unsigned kDefaultMode = 0600;
constexpr int64_t kReserveBytes = 64 << 20;         // left free on the disk: a daemon without room cannot even clean up
constexpr int64_t kCheckEveryBytes = 16 << 20;
constexpr size_t kMaxEtagBytes = 1 << 10;

}  // namespace

std::string IndexOf(const HttpIdentifier& id) { return "http:" + RequestKeyOf(id).str(); }

absl::StatusOr<std::unique_ptr<Payload>> Payload::Create(const CancelToken& cancel, const cache::FetchContext& context, const HttpSourceOptions& options, const HttpIdentifier& id) {
  std::unique_ptr<Payload> out(new Payload(options, id));
  BK_ASSIGN(out->sha256_, Checksum::Create("sha256"));
  if (!id.checksum.empty() && id.checksum.algorithm() != "sha256") BK_ASSIGN(out->other_, Checksum::Create(id.checksum.algorithm()));
  BK_RETURN_IF_ERROR(out->Open(cancel, context));
  return out;
}

absl::Status Payload::Open(const CancelToken& cancel, const cache::FetchContext& context) {
  cache::NewOptions fresh;
  fresh.description = "http url " + RedactCredentials(id_.url);
  BK_ASSIGN(tree_, options_.cache->New(cancel, context, nullptr, fresh));
  BK_ASSIGN(active_, tree_->Mount(cancel, context, false));
  BK_ASSIGN(mount_, os::TempMount::Make(active_->mounts()));
  BK_ASSIGN(dir_, os::Open(mount_.path(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  file_ = os::UniqueFd(openat(dir_.get(), kUnnamed, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, kDefaultMode));
  return file_.get() < 0 ? ErrnoError(errno, "create the file of a download") : absl::OkStatus();
}

int64_t Payload::Room() const {
  if (options_.limit_bytes > 0) return options_.limit_bytes - size_bytes_;
  struct statvfs fs;
  if (fstatvfs(file_.get(), &fs) < 0) return INT64_MAX;
  return static_cast<int64_t>(fs.f_bavail) * static_cast<int64_t>(fs.f_frsize) - kReserveBytes;
}

absl::Status Payload::Expect(int64_t size_bytes) const {
  int64_t room = Room();
  if (size_bytes <= room) return absl::OkStatus();
  return ResourceExhausted("a download of ", size_bytes, " bytes is too large: ", options_.limit_bytes > 0 ? "the limit is " : "the disk has room for ", std::max<int64_t>(room, 0));
}

absl::Status Payload::Write(std::string_view bytes) {
  checked_bytes_ -= static_cast<int64_t>(bytes.size());
  if (options_.limit_bytes > 0 || checked_bytes_ < 0) {
    if (static_cast<int64_t>(bytes.size()) > Room()) {
      return ResourceExhausted("a download does not end: stopped after ", size_bytes_, " bytes, ", options_.limit_bytes > 0 ? "which is the limit" : "the disk is nearly full");
    }
    checked_bytes_ = kCheckEveryBytes;
  }
  sha256_->Update(bytes);
  if (other_) other_->Update(bytes);
  size_bytes_ += static_cast<int64_t>(bytes.size());
  return os::WriteAll(file_.get(), bytes);
}

absl::Status Payload::Restart() {
  size_bytes_ = 0;
  sha256_->Finish();
  if (other_) other_->Finish();
  if (ftruncate(file_.get(), 0) < 0 || lseek(file_.get(), 0, SEEK_SET) < 0) return ErrnoError(errno, "truncate the file of a download");
  return absl::OkStatus();
}

absl::Status Payload::Finish(const std::string& filename, std::optional<int64_t> mtime) {
  // Changing the owner takes away bits of the mode, so the mode comes last (chown(2)).
  if ((id_.uid != 0 || id_.gid != 0) && fchown(file_.get(), static_cast<uid_t>(id_.uid), static_cast<gid_t>(id_.gid)) < 0) {
    return ErrnoError(errno, StrCat("chown ", filename));
  }
  if (fchmod(file_.get(), id_.perm == 0 ? kDefaultMode : static_cast<mode_t>(id_.perm) & 0777) < 0) return ErrnoError(errno, StrCat("chmod ", filename));
  timespec time{static_cast<time_t>(mtime.value_or(0)), 0};
  timespec times[2] = {time, time};
  if (futimens(file_.get(), times) < 0) return ErrnoError(errno, StrCat("set the time of ", filename));
  if (filename != kUnnamed && renameat(dir_.get(), kUnnamed, dir_.get(), filename.c_str()) < 0) return ErrnoError(errno, StrCat("create ", filename));
  return absl::OkStatus();
}

absl::StatusOr<cache::ImmutablePtr> Payload::Commit(const CancelToken& cancel, const Facts& facts, std::optional<int64_t> mtime, const Digest& wanted) {
  digest_ = sha256_->Finish();
  const Digest got = other_ ? other_->Finish() : digest_;
  if (!wanted.empty() && got != wanted) return FailedPrecondition("digest mismatch ", got.str(), ": ", wanted.str());
  BK_RETURN_IF_ERROR(Finish(facts.filename, mtime));
  file_ = os::UniqueFd();
  dir_ = os::UniqueFd();
  mount_ = os::TempMount();
  active_.reset();
  bool known = !facts.etag.empty() && facts.etag.size() <= kMaxEtagBytes;
  if (known) BK_RETURN_IF_ERROR(tree_->SetIndex(IndexOf(id_)));
  BK_TRY(cache::ImmutablePtr ref, tree_->Commit(cancel));
  if (!known) return ref;
  // The etag last: whoever finds it finds the others too.
  for (auto [key, value] : {std::pair(kDigestValue, digest_.str()), std::pair(kModifiedValue, facts.last_modified), std::pair(kFilenameValue, facts.filename), std::pair(kEtagValue, facts.etag)}) {
    BK_RETURN_IF_ERROR(ref->SetValue(key, value));
  }
  return ref;
}

}  // namespace bk::source::http
