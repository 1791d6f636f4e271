#include "client/session/blob_store.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>

#include "base/id.h"
#include "base/os/file.h"

namespace bk::client {

absl::StatusOr<std::shared_ptr<BlobStore>> BlobStore::Open(const std::string& path) {
  BK_RETURN_IF_ERROR(os::MakeDirs(path, 0755));
  return std::make_shared<BlobStore>(path);
}

std::string BlobStore::BlobPath(const Digest& digest) const { return StrCat(path_, "/blobs/", digest.algorithm(), "/", digest.hex()); }

absl::StatusOr<struct stat> BlobStore::Info(const Digest& digest) const {
  struct stat st;
  if (stat(BlobPath(digest).c_str(), &st) == 0 && S_ISREG(st.st_mode)) return st;
  return NotFound("content ", digest.str(), ": not found");
}

absl::StatusOr<os::UniqueFd> BlobStore::OpenBlob(const Digest& digest) const {
  BK_RETURN_IF_ERROR(Info(digest));
  return os::Open(BlobPath(digest), O_RDONLY);
}

absl::StatusOr<std::unique_ptr<BlobStore::Ingest>> BlobStore::Begin(const std::string& ref, const Digest& expected) {
  if (ref.empty()) return InvalidArgument("ref must not be empty: invalid argument");
  if (!expected.empty() && Info(expected).ok()) return AlreadyExists("content ", expected.str(), ": already exists");
  if (!writing_.With([&](std::set<std::string>& refs) { return refs.insert(ref).second; })) return Unavailable("ref ", ref, " locked: unavailable");
  std::string file = StrCat(path_, "/ingest/", NewId());
  absl::Status made = os::MakeDirs(path_ + "/ingest", 0755);
  absl::StatusOr<os::UniqueFd> fd = made.ok() ? os::Open(file, O_WRONLY | O_CREAT | O_EXCL, 0644) : absl::StatusOr<os::UniqueFd>(made);
  if (!fd.ok()) {
    writing_.With([&](std::set<std::string>& refs) { refs.erase(ref); });
    return fd.status();
  }
  return std::unique_ptr<Ingest>(new Ingest(this, ref, file, *std::move(fd)));
}

BlobStore::Ingest::Ingest(BlobStore* store, std::string ref, std::string file, os::UniqueFd fd)
    : store_(store), ref_(std::move(ref)), file_(std::move(file)), fd_(std::move(fd)) {}

BlobStore::Ingest::~Ingest() {
  if (!file_.empty()) unlink(file_.c_str());
  store_->writing_.With([&](std::set<std::string>& refs) { refs.erase(ref_); });
  rmdir((store_->path_ + "/ingest").c_str());  // stays while others write
}

absl::Status BlobStore::Ingest::Write(std::string_view bytes) {
  BK_RETURN_IF_ERROR(os::WriteAll(fd_.get(), bytes));
  hash_.Update(bytes);
  offset_ += static_cast<int64_t>(bytes.size());
  return absl::OkStatus();
}

absl::StatusOr<Digest> BlobStore::Ingest::Commit(int64_t size, const Digest& expected) {
  Digest digest = hash_.FinishDigest();
  if (size > 0 && size != offset_) return FailedPrecondition("unexpected commit size ", offset_, ", expected ", size, ": failed precondition");
  if (!expected.empty() && digest != expected) {
    return FailedPrecondition("unexpected commit digest ", digest.str(), ", expected ", expected.str(), ": failed precondition");
  }
  if (store_->Info(digest).ok()) return AlreadyExists("content ", digest.str(), ": already exists");
  std::string target = store_->BlobPath(digest);
  BK_RETURN_IF_ERROR(os::MakeDirs(os::DirName(target), 0755));
  fchmod(fd_.get(), 0444);
  if (rename(file_.c_str(), target.c_str()) != 0) return ErrnoError(errno, StrCat("rename ", file_, " ", target));
  file_.clear();
  return digest;
}

}  // namespace bk::client
