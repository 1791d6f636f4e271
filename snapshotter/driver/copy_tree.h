// Copies a directory tree with everything a layer can hold: owners, modes, times, links, hard links, devices, attributes.
#pragma once

#include <string>

#include "base/cancel.h"

namespace bk::snapshotter {

// Both directories exist; the root's own attributes are copied too. Files share extents where the file system can.
absl::Status CopyTree(const CancelToken& cancel, const std::string& from, const std::string& to);

// Owner, mode, times and attributes of one entry (paths trusted; the last component is not followed).
absl::Status CopyAttributes(const std::string& from, const std::string& to);

}  // namespace bk::snapshotter
