#include "daemon/frontend/dockerfile/convert/archive_time.h"

#include <archive.h>
#include <archive_entry.h>

#include "base/archive/reader.h"

namespace bk::dockerfile {
namespace {

constexpr int64_t kPieceBytes = 1 << 20;

struct Input {
  const ReadPiece& read;
  int64_t offset = 0;
  std::string piece;
  absl::Status status;
};

la_ssize_t ReadNext(archive*, void* data, const void** buffer) {
  auto& input = *static_cast<Input*>(data);
  auto piece = input.read(input.offset, kPieceBytes);
  if (!piece.ok()) {
    input.status = piece.status();
    return -1;
  }
  input.piece = *std::move(piece);
  input.offset += static_cast<int64_t>(input.piece.size());
  *buffer = input.piece.data();
  return static_cast<la_ssize_t>(input.piece.size());
}

bool IsNewer(const Epoch& a, const std::optional<Epoch>& b) { return !b || std::pair(a.seconds, a.nanos) > std::pair(b->seconds, b->nanos); }

}  // namespace

absl::StatusOr<std::optional<Epoch>> NewestInArchive(const ReadPiece& read) {
  Input input{read, 0, {}, {}};
  ArchivePtr a = NewArchiveReader();
  if (!a) return ResourceExhausted("no memory for reading an archive");
  std::optional<Epoch> newest;
  int result = archive_read_open(a.get(), &input, nullptr, &ReadNext, nullptr);
  while (result == ARCHIVE_OK || result == ARCHIVE_WARN) {
    archive_entry* entry = nullptr;
    result = archive_read_next_header(a.get(), &entry);
    if (result != ARCHIVE_OK && result != ARCHIVE_WARN) break;
    bool is_file = archive_entry_filetype(entry) == AE_IFREG || archive_entry_hardlink(entry) != nullptr;
    Epoch time{archive_entry_mtime(entry), static_cast<int32_t>(archive_entry_mtime_nsec(entry)), 0};
    if (is_file && IsNewer(time, newest)) newest = time;
  }
  BK_RETURN_IF_ERROR(input.status);
  // What is no archive, or breaks off, has no time.
  if (result != ARCHIVE_EOF) return std::nullopt;
  return newest;
}

}  // namespace bk::dockerfile
