// Taking records away: out of the table under its lock, then from the database, then from the disk.
#include "daemon/cache/manager.h"
#include "base/log.h"

namespace bk::cache {

RecordPtr Manager::Find(const Table& table, const std::string& id) {
  auto it = id.empty() ? table.by_id.end() : table.by_id.find(id);
  return it == table.by_id.end() ? nullptr : it->second;
}

void Manager::AddBlob(Table& table, const RecordPtr& record) {
  table.blobs[record->blob.digest]++;
  table.layers.emplace(std::pair(record->parent.get(), record->blob.digest), record);
}

void Manager::Insert(Table& table, const RecordPtr& record) {
  table.by_id[record->id] = record;
  if (!record->blob.digest.empty()) AddBlob(table, record);
  for (auto& [key, digest] : record->variants) table.blobs[digest]++;
}

void Manager::Take(Table& table, const RecordPtr& record, bool keep_snapshot, Removal& removal) {
  table.by_id.erase(record->id);
  if (record->parent != nullptr) record->parent->children--;
  auto drop = [&](const Digest& digest) {
    auto it = table.blobs.find(digest);
    if (it == table.blobs.end() || --it->second > 0) return;
    table.blobs.erase(it);
    removal.blobs.insert(digest);
  };
  if (!record->blob.digest.empty()) {
    drop(record->blob.digest);
    auto it = table.layers.find({record->parent.get(), record->blob.digest});
    if (it != table.layers.end() && it->second == record) table.layers.erase(it);
  }
  for (auto& [key, digest] : record->variants) drop(digest);
  if (record->snapshot != 0 && !keep_snapshot) removal.snapshots.push_back(record->snapshot);
  removal.records.push_back(record);
}

// False if something uses it. A tree takes the view of it along; a view alone leaves the tree its snapshot.
bool Manager::Detach(Table& table, const RecordPtr& record, Removal& removal) {
  auto used = [](const Record& r) { return r.handles > 0 || r.children > 0; };
  if (used(*record) || Find(table, record->id) != record) return false;
  RecordPtr twin = Find(table, record->twin);
  bool is_view = twin != nullptr && record->state != RecordState::kMutable;
  if (twin != nullptr && !is_view) {
    if (used(*twin)) return false;
    Take(table, twin, true, removal);
  }
  if (is_view) twin->twin.clear();
  Take(table, record, is_view, removal);
  return true;
}

absl::Status Manager::Remove(const Removal& removal) {
  if (removal.records.empty()) return absl::OkStatus();
  std::vector<meta::Statement> rows;
  for (const RecordPtr& record : removal.records) {
    if (record->has_row) rows.push_back({"DELETE FROM records WHERE id=?", {record->id}});
    rows.push_back({"DELETE FROM record_values WHERE id=?", {record->id}});
  }
  // A row must be gone before a crash can leave half of what it promises.
  absl::Status status = db_->Write(std::move(rows));
  if (!status.ok()) return Annotate(status, "remove cache records");
  for (const RecordPtr& record : removal.records) {
    hashes_.Drop(record->id);
    if (on_removed_) on_removed_(record->id);
  }
  for (snapshotter::SnapshotId id : removal.snapshots) {
    if (absl::Status removed = driver_->Remove(id); status.ok()) status = removed;
  }
  for (const Digest& digest : removal.blobs) {
    if (absl::Status removed = RemoveBlob(digest); status.ok()) status = removed;
  }
  return status;
}

absl::Status Manager::RemoveBlob(const Digest& digest) {
  std::lock_guard gate(blob_gate_);
  bool used = table_.With([&](Table& table) { return table.blobs.contains(digest); });
  return used || leases_->Holds(digest) ? absl::OkStatus() : content_->Remove(digest);
}

void Manager::Hold(const RecordPtr& record) {
  table_.With([&](Table&) { record->handles++; });
}

void Manager::Release(const RecordPtr& record, bool drop) {
  Removal removal;
  int64_t used_ns = solver::NowNs(), usage_count = 0;
  table_.With([&](Table& table) {
    record->doomed |= drop;
    if (--record->handles > 0) return;
    if (record->doomed && Detach(table, record, removal)) return;
    record->used_ns = used_ns;
    usage_count = ++record->usage_count;
  });
  if (usage_count > 0) db_->Post({{"UPDATE records SET used=?, usage_count=? WHERE id=?", {used_ns, usage_count, record->id}}});
  if (absl::Status status = Remove(removal); !status.ok()) log::Warning("a cache record was not removed", {{"id", record->id}, {"error", Message(status)}});
}

}  // namespace bk::cache
