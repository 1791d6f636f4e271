// The receiving side of the file-transfer protocol: brings a directory into the state that the sender describes.
//
// Nothing is written outside `dest`, whatever the sender says: paths are validated, order and parents checked, and every
// access goes through RootDir (hostile.md 24, 26). Files are complete under their name or not there.
#pragma once

#include <functional>
#include <string>

#include "base/cancel.h"
#include "proto/fsutil/stat.h"
#include "proto/fsutil/stream.h"

namespace bk::fsutil {

enum class Differ { kMetadata, kNone };

struct ReceiveOptions {
  Differ differ = Differ::kMetadata;  // kNone: everything is asked for again
  bool merge = false;                 // keep what the sender does not have
  std::function<bool(Stat&)> filter;  // may change a Stat; false leaves it out
  std::function<void(int64_t)> progress;  // bytes received so far
};

absl::Status ReceiveTree(const CancelToken& cancel, Stream& stream, const std::string& dest, const ReceiveOptions& options);

}  // namespace bk::fsutil
