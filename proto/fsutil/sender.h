// The sending side of the file-transfer protocol (trap 6): STATs in order, file data as asked, FIN both ways.
#pragma once

#include <functional>

#include "base/cancel.h"
#include "proto/fsutil/stream.h"
#include "proto/fsutil/walk.h"

namespace bk::fsutil {

// Sends `root`. Returns when the receiver said FIN. `progress` is told the bytes of entries and data sent
// so far, one call at a time.
absl::Status SendTree(const CancelToken& cancel, Stream& stream, const std::string& root, const WalkOptions& options, const std::function<void(int64_t)>& progress = nullptr);

// A tree whose entries are made by the caller: `visit` order as Walk; `open` gives a file's content by path.
struct TreeSource {
  std::function<absl::Status(const std::function<absl::Status(Stat&)>&)> walk;
  std::function<absl::StatusOr<int>(const std::string&)> open;  // a file descriptor that the sender closes
};
absl::Status SendTree(const CancelToken& cancel, Stream& stream, const TreeSource& source, const std::function<void(int64_t)>& progress = nullptr);

}  // namespace bk::fsutil
