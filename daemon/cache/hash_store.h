// The content hashes of records: a few trees in memory, all of them as rows of the database. Internal to daemon/cache.
//
// Thread-safe. A tree is used under its own lock; a row that cannot be read is a missing one.
#pragma once

#include <list>
#include <memory>
#include <mutex>
#include <string>

#include "base/guarded.h"
#include "daemon/cache/contenthash/tree.h"
#include "snapshotter/meta/database.h"

namespace bk::cache {

struct SharedHashTree {
  std::mutex mutex;
  contenthash::HashTree tree;
};

class HashStore {
 public:
  explicit HashStore(meta::Database* db) : db_(db) {}
  // The tree of a record, empty if it has none yet.
  std::shared_ptr<SharedHashTree> Get(const std::string& id);
  // Queues the tree's row; the caller holds its lock.
  void Save(const std::string& id, SharedHashTree& tree);
  // The same, committed when it returns.
  absl::Status SaveNow(const std::string& id, SharedHashTree& tree);
  // Hands the tree of one record to another.
  void Move(const std::string& from, const std::string& to);
  void Drop(const std::string& id);

 private:
  static constexpr size_t kInMemory = 20;
  using Entries = std::list<std::pair<std::string, std::shared_ptr<SharedHashTree>>>;  // last used first
  meta::Database* const db_;
  Guarded<Entries> entries_;
};

}  // namespace bk::cache
