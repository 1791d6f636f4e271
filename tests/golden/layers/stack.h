// Snapshots of a case: layers one on another in a fresh directory, with a driver of choice.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "base/os/file.h"
#include "snapshotter/driver/driver.h"
#include "tests/golden/layers/tree.h"

namespace bk::golden::layers {

class Stack {
 public:
  static absl::StatusOr<std::unique_ptr<Stack>> Make(const std::string& driver);
  // One snapshot more, on top of all so far, changed through its mount.
  absl::Status Add(const Json& ops);
  absl::Status Add(const std::function<absl::Status(const std::string& root)>& change);
  snapshotter::Driver& driver() { return *choice_.driver; }
  const snapshotter::Parents& chain() const { return chain_; }  // nearest first
  absl::StatusOr<os::TempMount> View(const snapshotter::Parents& chain) { return os::TempMount::Make(driver().ReadOnlyMounts(chain), dir_.path()); }
  const std::string& path() const { return dir_.path(); }
  snapshotter::SnapshotId NextId() { return next_++; }

 private:
  os::TempDir dir_;
  snapshotter::DriverChoice choice_;
  snapshotter::Parents chain_;
  snapshotter::SnapshotId next_ = 1;
};

}  // namespace bk::golden::layers
