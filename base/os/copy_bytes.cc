#include "base/os/copy_bytes.h"

#include <unistd.h>

#include <cerrno>
#include <memory>

#include "base/os/file.h"

namespace bk::os {

absl::Status CopyBytes(const CancelToken& cancel, int from, int to, off_t size) {
  constexpr size_t kPiece = 64 << 20, kBuffer = 64 << 10;
  off_t copied = 0;
  while (copied == 0 || copied < size) {
    BK_RETURN_IF_ERROR(cancel.Check());
    ssize_t n = copy_file_range(from, nullptr, to, nullptr, kPiece, 0);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0 && copied > 0) return ErrnoError(errno, "copy file range failed");
    if (n <= 0) break;  // refused, or 0 as some file systems answer for files that they make up
    copied += n;
  }
  if (copied > 0 && copied >= size) return absl::OkStatus();
  auto buffer = std::make_unique_for_overwrite<char[]>(kBuffer);
  while (true) {
    BK_RETURN_IF_ERROR(cancel.Check());
    ssize_t n = read(from, buffer.get(), kBuffer);
    if (n == 0) return absl::OkStatus();
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return ErrnoError(errno, "userspace copy failed");
    BK_RETURN_IF_ERROR(WriteAll(to, std::string_view(buffer.get(), static_cast<size_t>(n))));
  }
}

}  // namespace bk::os
