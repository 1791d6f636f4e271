// The newest file of a tar archive that is read piece by piece, compressed or not.
#pragma once

#include <functional>
#include <optional>

#include "daemon/frontend/dockerfile/convert/epoch.h"

namespace bk::dockerfile {

// Bytes from `offset` on, as many as are wanted; fewer at the end.
using ReadPiece = std::function<absl::StatusOr<std::string>(int64_t offset, int64_t length)>;

// Of its regular files; nothing for what is no archive or has none. Errors are those of `read`.
absl::StatusOr<std::optional<Epoch>> NewestInArchive(const ReadPiece& read);

}  // namespace bk::dockerfile
