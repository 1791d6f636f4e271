// One row of the cache: a directory tree (or a promise of one) with its place in the chain. Internal to daemon/cache.
//
// Fields that change are written under the manager's table lock; snapshot, blob and digests also under `work`, so that
// whoever has `work` may read those without the lock.
#pragma once

#include <atomic>
#include <map>
#include <memory>
#include <string>

#include "base/semaphore.h"
#include "daemon/cache/ref.h"
#include "snapshotter/driver/driver.h"

namespace bk::cache {

enum class RecordState { kMutable = 0, kCommitted = 1, kLazy = 2 };  // kLazy: blob known, snapshot not made yet

struct Record {
  std::string id;
  std::shared_ptr<Record> parent;
  std::atomic<snapshotter::SnapshotId> snapshot = 0;       // 0: none yet
  std::atomic<RecordState> state = RecordState::kMutable;  // set after everything it promises
  RecordType type = RecordType::kRegular;
  Descriptor blob;  // empty digest: none yet
  Digest diff_id;
  int64_t size_bytes = -1;  // -1: not measured
  int64_t created_ns = 0, used_ns = 0, usage_count = 0;
  std::string description, index;
  bool retained = false;
  // The other record of a pair that shares one snapshot: a committed view of a retained mutable tree, and that tree. The
  // view becomes an ordinary record when something is built on it; the tree can be taken again when the view is unused.
  std::string twin;
  std::map<std::string, std::string> values;
  std::map<std::string, Digest> variants;  // the blob in other compressions, by Manager's key
  // Not stored:
  bool has_row = false;  // unfinished trees that nobody retains have none: a crash takes them
  int handles = 0;       // live refs
  int children = 0;      // records on top
  bool doomed = false;   // goes with its last handle
  bool merged = false;   // told as "merging" while it is extracted
  BlobFetcher fetch;
  Semaphore work{1};  // held while its snapshot or blob is made
};
using RecordPtr = std::shared_ptr<Record>;

}  // namespace bk::cache
