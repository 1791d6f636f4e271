// What changed between two directory trees, and the layer stream that says so (golden layers/diff).
//
// Two differs with the same answers: walking compares two trees; overlay reads the upper directory, its whiteouts and
// opaque markers. Blocks; cancellable between entries. Not thread-safe per call; calls are independent.
#pragma once

#include <functional>
#include <string>

#include "base/cancel.h"
#include "snapshotter/diff/stream.h"

namespace bk::diff {

struct DiffRequest {
  std::string lower;  // directory of the base as seen ("" = empty)
  std::string upper;  // directory of the changed tree as seen
  std::string overlay_upper;  // overlay's upper directory of the changed tree; "" = use the walking differ
};

// Writes the uncompressed layer to `sink`.
absl::Status WriteLayer(const CancelToken& cancel, const DiffRequest& request, const ByteSink& sink);

}  // namespace bk::diff
