// One row of the cache: a directory tree (or a promise of one) with its place in the chain. Internal to daemon/cache.
#pragma once

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
  RecordState state = RecordState::kMutable;
  RecordType type = RecordType::kRegular;
  Descriptor blob;  // empty digest: none yet
  Digest diff_id, chain_id;
  int64_t size_bytes = -1;  // -1: not measured
  int64_t created_ns = 0, used_ns = 0, usage_count = 0;
  std::string description, index;
  bool retained = false;
  std::map<std::string, std::string> values;
  // Not stored:
  int handles = 0;   // live refs
  int children = 0;  // records on top
  BlobFetcher fetch;
  std::shared_ptr<std::mutex> work = std::make_shared<std::mutex>();  // held while its snapshot or blob is made
};
using RecordPtr = std::shared_ptr<Record>;

}  // namespace bk::cache
