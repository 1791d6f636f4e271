// Copies the bytes of a file from one descriptor to another. Thread-safe; blocks.
#pragma once

#include <sys/types.h>

#include "base/cancel.h"

namespace bk::os {

// All bytes of one regular file of (as far as known) `size` bytes: shared blocks where the file system can, else copied.
// Both at offset 0. Part of it may be copied when it fails.
absl::Status CopyBytes(const CancelToken& cancel, int from, int to, off_t size);

}  // namespace bk::os
