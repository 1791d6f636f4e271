// One row of the cache: a directory tree (or a promise of one) with its place in the chain. Internal to daemon/cache.
#pragma once

#include <atomic>
#include <map>
#include <memory>
#include <mutex>
#include <string>

#include "daemon/cache/ref.h"
#include "snapshotter/driver/driver.h"

namespace bk::cache {

enum class RecordState { kMutable = 0, kCommitted = 1, kLazy = 2 };  // kLazy: blob known, snapshot not made yet

struct Record {
  std::string id;
  std::shared_ptr<Record> parent;
  snapshotter::SnapshotId snapshot = 0;  // 0: none yet
  std::atomic<RecordState> state = RecordState::kMutable;  // set after everything it promises
  RecordType type = RecordType::kRegular;
  Descriptor blob;  // empty digest: none yet
  Digest diff_id, chain_id;
  int64_t size_bytes = -1;  // -1: not measured
  int64_t created_ns = 0, used_ns = 0, usage_count = 0;
  std::string description, index;
  bool retained = false;
  // The other record of a pair that shares one snapshot: a committed view of a retained mutable tree, and that tree. The
  // view becomes an ordinary record when something is built on it; the tree can be taken again when the view is unused.
  std::string twin;
  std::map<std::string, std::string> values;
  // Not stored:
  int handles = 0;   // live refs
  int children = 0;  // records on top
  bool doomed = false;  // goes with its last handle
  BlobFetcher fetch;
  std::shared_ptr<std::mutex> work = std::make_shared<std::mutex>();  // held while its snapshot or blob is made
};
using RecordPtr = std::shared_ptr<Record>;

}  // namespace bk::cache
