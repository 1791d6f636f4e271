// How directory trees are layered on disk: one driver for each of overlayfs, fuse-overlayfs and native copies.
//
// A snapshot is a number with a directory <root>/<number>; parents are given as lists of numbers, nearest first. Drivers
// keep no table of their own: which snapshots exist is the store's business. Thread-safe; calls may block.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/cancel.h"
#include "base/os/mount.h"

namespace bk::snapshotter {

using SnapshotId = int64_t;
using Parents = std::vector<SnapshotId>;  // nearest first

class Driver {
 public:
  virtual ~Driver() = default;
  virtual const char* Name() const = 0;  // "overlayfs", "fuse-overlayfs", "native"
  // Makes an empty writable snapshot on top of `parents` (native copies them).
  virtual absl::Status Prepare(const CancelToken& cancel, SnapshotId id, const Parents& parents) = 0;
  // What shows `id` writable.
  virtual std::vector<os::Mount> WritableMounts(SnapshotId id, const Parents& parents) const = 0;
  // What shows the committed chain read-only; `chain` nearest first, never empty.
  virtual std::vector<os::Mount> ReadOnlyMounts(const Parents& chain) const = 0;
  // The directory that holds only what the snapshot itself changed (overlay's upper); empty if there is none.
  virtual std::string UpperDir(SnapshotId id) const = 0;
  virtual absl::Status Remove(SnapshotId id) = 0;  // missing is fine
  // True when layers are applied to the upper directory alone, with overlay's whiteouts (else: to the whole tree).
  virtual bool IsOverlay() const = 0;
  // Attribute name prefix of opaque markers: "trusted." or "user." (userxattr).
  virtual std::string XattrPrefix() const = 0;
  // True when the process may not make devices (layers with them are applied without).
  virtual bool InUserNamespace() const = 0;
};

struct DriverChoice {
  std::unique_ptr<Driver> driver;
  std::string reason;  // one line: why this one
};

// `name`: auto, overlayfs, fuse-overlayfs or native, in `root` (made if missing). Tries by doing; an explicit choice that
// cannot work fails with the reason and what to do.
absl::StatusOr<DriverChoice> MakeDriver(const std::string& name, const std::string& root);

}  // namespace bk::snapshotter
