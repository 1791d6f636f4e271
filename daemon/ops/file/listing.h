// Walking directories by their descriptors.
#pragma once

#include <string>
#include <vector>

#include "base/status.h"

namespace bk::ops::file {

// Walks go no deeper (ResourceExhausted): more than a path can name, and few enough for descriptors and the stack.
inline constexpr size_t kMaxDepth = 2048;

// Sorted by bytes, without "." and "..". `path` is for the message.
absl::StatusOr<std::vector<std::string>> ListNames(int dir, const std::string& path);

}  // namespace bk::ops::file
