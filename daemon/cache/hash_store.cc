#include "daemon/cache/hash_store.h"

#include <algorithm>

namespace bk::cache {
namespace {

template <typename Entries>
auto FindEntry(Entries& entries, const std::string& id) {
  return std::find_if(entries.begin(), entries.end(), [&](const auto& entry) { return entry.first == id; });
}

}  // namespace

std::shared_ptr<SharedHashTree> HashStore::Get(const std::string& id) {
  auto cached = [&](Entries& entries) -> std::shared_ptr<SharedHashTree> {
    auto it = FindEntry(entries, id);
    if (it == entries.end()) return nullptr;
    entries.splice(entries.begin(), entries, it);
    return it->second;
  };
  if (auto tree = entries_.With(cached)) return tree;
  auto loaded = std::make_shared<SharedHashTree>();
  std::string bytes;
  absl::Status read = db_->Query("SELECT bytes FROM content_hashes WHERE id=?", {id}, [&](const meta::Row& row) { bytes = row.Text(0); });
  if (auto tree = contenthash::HashTree::Decode(bytes); read.ok() && tree.ok()) loaded->tree = *std::move(tree);
  return entries_.With([&](Entries& entries) {
    if (auto tree = cached(entries)) return tree;  // another thread was faster
    entries.emplace_front(id, loaded);
    // Trees in use stay: two copies of one would lose each other's digests.
    for (auto it = entries.end(); entries.size() > kInMemory && it != entries.begin();) {
      --it;
      if (it->second.use_count() == 1) it = entries.erase(it);
    }
    return loaded;
  });
}

void HashStore::Save(const std::string& id, SharedHashTree& tree) {
  db_->Post({{"INSERT OR REPLACE INTO content_hashes VALUES(?,?)", {id, tree.tree.Encode()}}});
}

absl::Status HashStore::SaveNow(const std::string& id, SharedHashTree& tree) {
  return db_->Run("INSERT OR REPLACE INTO content_hashes VALUES(?,?)", {id, tree.tree.Encode()});
}

void HashStore::Move(const std::string& from, const std::string& to) {
  entries_.With([&](Entries& entries) {
    if (auto it = FindEntry(entries, from); it != entries.end()) it->first = to;
  });
  db_->Post({{"UPDATE OR REPLACE content_hashes SET id=? WHERE id=?", {to, from}}});
}

void HashStore::Drop(const std::string& id) {
  entries_.With([&](Entries& entries) {
    if (auto it = FindEntry(entries, id); it != entries.end()) entries.erase(it);
  });
  db_->Post({{"DELETE FROM content_hashes WHERE id=?", {id}}});
}

}  // namespace bk::cache
