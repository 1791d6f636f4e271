// Extracts a layer onto a directory tree (golden layers/apply; containerd's applier is the rule).
//
// Every path goes through RootDir, so nothing outside the target is touched whatever the archive says. Blocks; may be
// cancelled between entries, which leaves a partial tree to be thrown away.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "base/cancel.h"
#include "snapshotter/diff/stream.h"

namespace bk::diff {

struct ApplyTarget {
  std::string dir;
  // Overlay: `dir` is the upper directory alone; whiteouts become 0:0 devices and opaque attributes.
  bool overlay = false;
  std::string xattr_prefix = "trusted.";  // of the opaque attribute
  std::vector<std::string> lower_dirs;    // nearest first: where attributes of missing parents come from
  // Called once before the first look at lower_dirs, which may be filled only then; null: they are there.
  std::function<absl::Status()> await_lower;
  // Overlay: no whiteout for what the lower directories do not show. Such a one would be listed in a directory that
  // exists in this layer alone (ovl: only merged directories hide whiteouts).
  bool only_needed_whiteouts = false;
  bool user_namespace = false;            // devices cannot be made and are left out
};

// `tar` is uncompressed. Returns the sum of the entries' sizes in bytes.
absl::StatusOr<int64_t> ApplyLayer(const CancelToken& cancel, ByteSource& tar, const ApplyTarget& target);

}  // namespace bk::diff
