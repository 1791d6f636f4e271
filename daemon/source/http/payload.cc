#include "daemon/source/http/payload.h"

#include <unistd.h>

#include <algorithm>

#include "base/go_url.h"
#include "base/os/file.h"
#include "daemon/source/http/key.h"

namespace bk::source::http {
namespace {

constexpr int64_t kCheckEveryBytes = 16 << 20;
constexpr size_t kMaxEtagBytes = 1 << 10;

}  // namespace

std::string IndexOf(const HttpIdentifier& id) { return "http:" + RequestKeyOf(id).str(); }

absl::StatusOr<std::unique_ptr<Payload>> Payload::Create(const CancelToken& cancel, const cache::FetchContext& context, const HttpSourceOptions& options, const HttpIdentifier& id) {
  std::unique_ptr<Payload> out(new Payload(options, id));
  BK_ASSIGN(out->sha256_, Checksum::Create("sha256"));
  if (!id.checksum.empty() && id.checksum.algorithm() != "sha256") BK_ASSIGN(out->other_, Checksum::Create(id.checksum.algorithm()));
  BK_ASSIGN(out->file_, SingleFile::Create(cancel, context, *options.cache, "http url " + RedactCredentials(id.url)));
  return out;
}

int64_t Payload::Room() const {
  return options_.limit_bytes > 0 ? options_.limit_bytes - size_bytes_ : file_->Room();
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
  return os::WriteAll(file_->fd(), bytes);
}

absl::Status Payload::Restart() {
  size_bytes_ = 0;
  sha256_->Finish();
  if (other_) other_->Finish();
  if (ftruncate(file_->fd(), 0) < 0 || lseek(file_->fd(), 0, SEEK_SET) < 0) return ErrnoError(errno, "truncate the file of a download");
  return absl::OkStatus();
}

absl::StatusOr<cache::ImmutablePtr> Payload::Commit(const CancelToken& cancel, const Facts& facts, std::optional<int64_t> mtime, const Digest& wanted) {
  digest_ = sha256_->Finish();
  const Digest got = other_ ? other_->Finish() : digest_;
  if (!wanted.empty() && got != wanted) return FailedPrecondition("digest mismatch ", got.str(), ": ", wanted.str());
  bool tagged = !facts.etag.empty() && facts.etag.size() <= kMaxEtagBytes;
  BK_TRY(cache::ImmutablePtr ref, file_->Commit(cancel, {facts.filename, id_.perm, id_.uid, id_.gid, mtime.value_or(0)}, facts.kept || tagged ? IndexOf(id_) : ""));
  if (!facts.kept && !tagged) return ref;
  // In this order: whoever finds the name or the etag finds what stands before it too.
  for (auto [key, value] : {std::pair(kDigestValue, digest_.str()), std::pair(kModifiedValue, facts.last_modified), std::pair(kFilenameValue, facts.filename), std::pair(kEtagValue, facts.etag)}) {
    if (key != kEtagValue || tagged) BK_RETURN_IF_ERROR(ref->SetValue(key, value));
  }
  return ref;
}

}  // namespace bk::source::http
