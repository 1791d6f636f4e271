// Where a layer is unpacked to: a prepared snapshot of a driver.
#pragma once

#include "snapshotter/diff/apply.h"
#include "snapshotter/driver/driver.h"

namespace bk::cache {

// A snapshot without parents is a plain directory, whatever the driver: there is nothing to hide.
inline diff::ApplyTarget ApplyTargetOf(const snapshotter::Driver& driver, snapshotter::SnapshotId snapshot, const snapshotter::Parents& parents) {
  diff::ApplyTarget target;
  target.overlay = driver.IsOverlay() && !parents.empty();
  target.xattr_prefix = driver.XattrPrefix();
  target.user_namespace = driver.InUserNamespace();
  target.dir = driver.IsOverlay() ? driver.UpperDir(snapshot) : driver.WritableMounts(snapshot, parents)[0].source;
  for (snapshotter::SnapshotId id : parents) {
    if (target.overlay) target.lower_dirs.push_back(driver.UpperDir(id));
  }
  return target;
}

}  // namespace bk::cache
