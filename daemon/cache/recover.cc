// Start-up: what the database says against what is on disk. What does not fit together goes (docs/store.md#recovery).
#include <algorithm>

#include "base/log.h"
#include "base/os/file.h"
#include "daemon/cache/manager.h"
#include "daemon/cache/refs.h"

namespace bk::cache {
namespace {

constexpr char kColumns[] = "SELECT id,parent,snapshot,state,kind,media_type,blob,blob_size,diff_id,size,created,used,usage_count,description,lookup,retained,twin FROM records";

Digest ParseOrEmpty(const std::string& text) { return Digest::Parse(text).value_or(Digest()); }

RecordPtr ParseRow(const meta::Row& row) {
  auto record = std::make_shared<Record>();
  record->id = row.Text(0);
  record->snapshot = row.Int(2);
  record->state = static_cast<RecordState>(std::clamp<int64_t>(row.Int(3), 0, 2));
  record->type = static_cast<RecordType>(std::clamp<int64_t>(row.Int(4), 0, static_cast<int64_t>(RecordType::kCacheMount)));
  record->blob = {row.Text(5), ParseOrEmpty(row.Text(6)), row.Int(7), {}, {}, ""};
  record->diff_id = ParseOrEmpty(row.Text(8));
  record->size_bytes = row.Int(9);
  record->created_ns = row.Int(10);
  record->used_ns = row.Int(11);
  record->usage_count = row.Int(12);
  record->description = row.Text(13);
  record->index = row.Text(14);
  record->retained = row.Int(15) != 0;
  record->twin = row.Text(16);
  record->has_row = true;
  return record;
}

}  // namespace

absl::Status Manager::LoadRecords(Records& records) {
  std::unordered_map<std::string, std::string> parents;
  BK_RETURN_IF_ERROR(db_->Query(kColumns, {}, [&](const meta::Row& row) {
    RecordPtr record = ParseRow(row);
    if (std::string parent = row.Text(1); !parent.empty()) parents[record->id] = parent;
    records[record->id] = std::move(record);
  }));
  BK_RETURN_IF_ERROR(db_->Query("SELECT id,key,value FROM record_values", {}, [&](const meta::Row& row) {
    auto it = records.find(row.Text(0));
    if (it == records.end()) return;
    std::string key = row.Text(1), value = row.Text(2);
    if (key.starts_with(kVariantPrefix)) {
      if (auto digest = Digest::Parse(value); digest.ok()) it->second->variants[key] = *digest;
    } else {
      it->second->values[key] = value;
    }
  }));
  for (auto& [id, parent] : parents) {
    RecordPtr& record = records[id];
    if (auto it = records.find(parent); it != records.end()) {
      record->parent = it->second;
      it->second->children++;
    } else {  // its ground is gone
      record->state = RecordState::kMutable;
      record->retained = false;
    }
  }
  return absl::OkStatus();
}

// Pairs that a crash or damage left half: a view that something stands on is an ordinary record; a partner that is
// missing, or that knows nothing of the pair, is none.
void Manager::MendTwins(const Records& records) {
  for (auto& [id, record] : records) {
    if (record->twin.empty()) continue;
    auto it = records.find(record->twin);
    Record* twin = it == records.end() ? nullptr : it->second.get();
    bool pair = twin != nullptr && twin->twin == id && twin->snapshot == record->snapshot && (twin->state == RecordState::kMutable) != (record->state == RecordState::kMutable);
    if (pair && record->children == 0 && twin->children == 0) continue;
    if (pair) {
      Record* tree = twin->state == RecordState::kMutable ? twin : record.get();
      tree->retained = false;  // taken by FindDoomed; the view keeps the snapshot
      twin->twin.clear();
    }
    record->twin.clear();
  }
}

std::set<RecordPtr> Manager::FindDoomed(const Records& records, const std::set<Digest>& blobs, const std::set<snapshotter::SnapshotId>& snapshots) {
  std::set<RecordPtr> doomed;
  std::unordered_multimap<const Record*, RecordPtr> children;
  std::vector<RecordPtr> open;
  auto add = [&](const RecordPtr& record) {
    if (doomed.insert(record).second) open.push_back(record);
  };
  for (auto& [id, record] : records) {
    if (record->parent != nullptr) children.emplace(record->parent.get(), record);
    bool broken = false;
    switch (record->state) {
      // Unfinished trees, and those a transfer was changing.
      case RecordState::kMutable: broken = !record->retained || record->values.contains(kTransferMark) || !snapshots.contains(record->snapshot); break;
      case RecordState::kCommitted: broken = !snapshots.contains(record->snapshot); break;
      // Whoever could fetch it is gone.
      case RecordState::kLazy: broken = !blobs.contains(record->blob.digest); break;
    }
    if (broken) add(record);
  }
  while (!open.empty()) {
    RecordPtr record = open.back();
    open.pop_back();
    auto [first, last] = children.equal_range(record.get());
    for (auto it = first; it != last; ++it) add(it->second);
  }
  return doomed;
}

absl::StatusOr<std::set<snapshotter::SnapshotId>> Manager::ListSnapshots() const {
  std::set<snapshotter::SnapshotId> present;
  BK_TRY(std::vector<std::string> names, os::ListDir(root_ + "/snapshots"));
  for (const std::string& name : names) {
    bool number = !name.empty() && name.size() < 18 && std::all_of(name.begin(), name.end(), [](char c) { return c >= '0' && c <= '9'; });
    if (number) {
      present.insert(std::stoll(name));
    } else {  // of a probe that was killed
      BK_RETURN_IF_ERROR(os::RemoveAll(StrCat(root_, "/snapshots/", name)));
    }
  }
  return present;
}

absl::Status Manager::SweepSnapshots(const std::set<snapshotter::SnapshotId>& present) {
  std::set<snapshotter::SnapshotId> wanted;
  table_.With([&](Table& table) {
    for (auto& [id, record] : table.by_id) wanted.insert(record->snapshot);
  });
  for (snapshotter::SnapshotId id : present) {
    if (!wanted.contains(id)) BK_RETURN_IF_ERROR(driver_->Remove(id));
  }
  int64_t highest = std::max(present.empty() ? 0 : *present.rbegin(), wanted.empty() ? 0 : *wanted.rbegin());
  next_snapshot_ = highest + 1;
  return absl::OkStatus();
}

absl::Status Manager::SweepContent(int64_t min_age_seconds) {
  BK_TRY(std::vector<content::ContentStore::Entry> entries, content_->List());
  for (const auto& entry : entries) {
    if (entry.age_seconds < min_age_seconds) continue;
    BK_RETURN_IF_ERROR(RemoveBlob(entry.digest));
  }
  return absl::OkStatus();
}

absl::Status Manager::Recover() {
  Records records;
  BK_RETURN_IF_ERROR(LoadRecords(records));
  BK_TRY(std::set<snapshotter::SnapshotId> present, ListSnapshots());
  std::set<Digest> blobs;
  BK_TRY(std::vector<content::ContentStore::Entry> entries, content_->List());
  for (const auto& entry : entries) blobs.insert(entry.digest);
  MendTwins(records);
  std::set<RecordPtr> doomed = FindDoomed(records, blobs, present);
  // Rows first: a crash in the middle of a removal must not leave a row that promises half a tree.
  std::vector<meta::Statement> statements;
  for (const RecordPtr& record : doomed) {
    statements.push_back({"DELETE FROM records WHERE id=?", {record->id}});
    if (record->parent != nullptr) record->parent->children--;
    records.erase(record->id);
  }
  for (auto& [id, record] : records) {
    if (!record->twin.empty() && !records.contains(record->twin)) record->twin.clear();
  }
  statements.push_back({"DELETE FROM record_values WHERE id NOT IN (SELECT id FROM records)", {}});
  statements.push_back({"DELETE FROM content_hashes WHERE id NOT IN (SELECT id FROM records)", {}});
  BK_RETURN_IF_ERROR(db_->Write(std::move(statements)));
  if (!doomed.empty()) log::Info("removed cache records that a crash left unfinished", {{"count", StrCat(doomed.size())}});
  table_.With([&](Table& table) {
    for (auto& [id, record] : records) Insert(table, record);
  });
  BK_RETURN_IF_ERROR(SweepSnapshots(present));
  return SweepContent(0);
}

}  // namespace bk::cache
