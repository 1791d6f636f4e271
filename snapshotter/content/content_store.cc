#include "snapshotter/content/content_store.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>

#include "base/id.h"
#include "base/os/file.h"

namespace bk::content {
namespace {

constexpr size_t kPieceBytes = 256 << 10;
constexpr const char* kAlgorithms[] = {"sha256", "sha384", "sha512"};

std::string BlobPath(const std::string& root, const Digest& digest) { return StrCat(root, "/blobs/", digest.algorithm(), "/", digest.hex()); }

}  // namespace

Ingest::~Ingest() {
  if (path_.empty()) return;
  unlink(path_.c_str());
  if (arrival_ != nullptr) arrival_->End(false);
}

absl::Status Ingest::Write(std::string_view bytes) {
  hasher_.Update(bytes);
  size_ += static_cast<int64_t>(bytes.size());
  if (held_.size() + bytes.size() > kPieceBytes) BK_RETURN_IF_ERROR(Flush());
  if (bytes.size() < kPieceBytes) {
    held_.append(bytes);
    return absl::OkStatus();
  }
  return WriteNow(bytes);
}

absl::Status Ingest::Flush() {
  if (held_.empty()) return absl::OkStatus();
  BK_RETURN_IF_ERROR(WriteNow(held_));
  held_.clear();
  return absl::OkStatus();
}

absl::Status Ingest::WriteNow(std::string_view bytes) {
  BK_RETURN_IF_ERROR(os::WriteAll(fd_.get(), bytes));
  written_ += static_cast<int64_t>(bytes.size());
  if (arrival_ != nullptr) arrival_->Grow(written_);
  return absl::OkStatus();
}

absl::StatusOr<Digest> Ingest::Commit(const Digest& expected, int64_t expected_size) {
  BK_RETURN_IF_ERROR(Flush());
  Digest digest = hasher_.FinishDigest();
  if (expected_size >= 0 && size_ != expected_size) return FailedPrecondition("unexpected commit size ", size_, ", expected ", expected_size);
  if (!expected.empty() && digest != expected) return FailedPrecondition("unexpected commit digest ", digest.str(), ", expected ", expected.str());
  if (rename(path_.c_str(), BlobPath(root_, digest).c_str()) < 0) return ErrnoError(errno, StrCat("commit blob ", digest.str()));
  path_.clear();
  fd_.Reset();
  if (arrival_ != nullptr) arrival_->End(true);
  return digest;
}

absl::StatusOr<std::unique_ptr<ContentStore>> ContentStore::Open(const std::string& root) {
  BK_RETURN_IF_ERROR(os::RemoveAll(root + "/ingest"));
  BK_RETURN_IF_ERROR(os::MakeDirs(root + "/ingest", 0700));
  for (const char* algorithm : kAlgorithms) BK_RETURN_IF_ERROR(os::MakeDirs(StrCat(root, "/blobs/", std::string_view(algorithm)), 0700));
  return std::unique_ptr<ContentStore>(new ContentStore(root));
}

std::string ContentStore::Path(const Digest& digest) const { return BlobPath(root_, digest); }

absl::StatusOr<Ingest> ContentStore::NewIngest(std::shared_ptr<Arrival> arrival) {
  std::string path = StrCat(root_, "/ingest/", NewId());
  BK_TRY(os::UniqueFd fd, os::Open(path, O_RDWR | O_CREAT | O_EXCL, 0600));
  if (arrival != nullptr) arrival->Begin(fd.get());
  return Ingest(path, root_, std::move(fd), std::move(arrival));
}

absl::StatusOr<int64_t> ContentStore::Size(const Digest& digest) const {
  struct stat st;
  if (digest.empty() || stat(Path(digest).c_str(), &st) < 0) return NotFound("content ", digest.str(), ": not found");
  return st.st_size;
}

absl::StatusOr<os::UniqueFd> ContentStore::OpenBlob(const Digest& digest) const {
  auto fd = os::Open(Path(digest), O_RDONLY);
  if (!fd.ok()) return NotFound("content ", digest.str(), ": not found");
  return fd;
}

absl::StatusOr<std::string> ContentStore::Read(const Digest& digest, uint64_t limit_bytes) const {
  BK_TRY(os::UniqueFd fd, OpenBlob(digest));
  return os::ReadAll(fd.get(), limit_bytes);
}

absl::Status ContentStore::Put(std::string_view bytes, const Digest& digest) {
  if (Has(digest)) return absl::OkStatus();
  BK_TRY(Ingest ingest, NewIngest());
  BK_RETURN_IF_ERROR(ingest.Write(bytes));
  return ingest.Commit(digest, static_cast<int64_t>(bytes.size())).status();
}

absl::StatusOr<std::vector<ContentStore::Entry>> ContentStore::List() const {
  std::vector<Entry> entries;
  time_t now = time(nullptr);
  for (const char* algorithm : kAlgorithms) {
    std::string dir = StrCat(root_, "/blobs/", std::string_view(algorithm));
    BK_TRY(std::vector<std::string> names, os::ListDir(dir));
    for (const std::string& name : names) {
      auto digest = Digest::Parse(StrCat(std::string_view(algorithm), ":", name));
      struct stat st;
      if (!digest.ok() || stat(StrCat(dir, "/", name).c_str(), &st) < 0) continue;
      entries.push_back({*digest, st.st_size, now - st.st_mtime});
    }
  }
  return entries;
}

absl::Status ContentStore::Sync(const Digest& digest) const {
  BK_TRY(os::UniqueFd blob, OpenBlob(digest));
  BK_TRY(os::UniqueFd dir, os::Open(StrCat(root_, "/blobs/", digest.algorithm()), O_RDONLY | O_DIRECTORY));
  if (fsync(blob.get()) < 0 || fsync(dir.get()) < 0) return ErrnoError(errno, StrCat("sync blob ", digest.str()));
  return absl::OkStatus();
}

absl::Status ContentStore::Remove(const Digest& digest) {
  if (unlink(Path(digest).c_str()) < 0 && errno != ENOENT) return ErrnoError(errno, StrCat("remove blob ", digest.str()));
  return absl::OkStatus();
}

}  // namespace bk::content
