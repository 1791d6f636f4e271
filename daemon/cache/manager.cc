#include "daemon/cache/manager.h"

#include <algorithm>
#include <utility>

#include "base/id.h"
#include "daemon/cache/refs.h"

namespace bk::cache {

meta::Statement Manager::InsertStatement(const Record& r) const {
  return {"INSERT OR REPLACE INTO records VALUES(?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)",
          {r.id, r.parent == nullptr ? std::string() : r.parent->id, r.snapshot.load(), static_cast<int64_t>(r.state.load()), static_cast<int64_t>(r.type),
           r.blob.media_type, r.blob.digest.str(), r.blob.size, r.diff_id.str(), std::string(), r.size_bytes, r.created_ns, r.used_ns, r.usage_count,
           r.description, r.index, static_cast<int64_t>(r.retained), r.twin}};
}

absl::Status Manager::SaveRow(const RecordPtr& record) {
  meta::Statement row = table_.With([&](Table&) {
    record->has_row = true;
    return InsertStatement(*record);
  });
  return db_->Run(row.sql, std::move(row.values));
}

absl::Status Manager::SetIndex(const RecordPtr& record, const std::string& index) {
  if (table_.With([&](Table&) { return std::exchange(record->index, index) == index; })) return absl::OkStatus();
  return db_->Run("UPDATE records SET lookup=? WHERE id=?", {index, record->id});
}

absl::Status Manager::SaveValue(const RecordPtr& record, const std::string& key, const std::string& value) {
  table_.With([&](Table&) { record->values[key] = value; });
  return db_->Run("INSERT OR REPLACE INTO record_values VALUES(?,?,?)", {record->id, key, value});
}

void Manager::DeleteValue(const RecordPtr& record, const std::string& key) {
  table_.With([&](Table&) { record->values.erase(key); });
  db_->Post({{"DELETE FROM record_values WHERE id=? AND key=?", {record->id, key}}});
}

std::string Manager::Value(const RecordPtr& record, const std::string& key) {
  return table_.With([&](Table&) {
    auto it = record->values.find(key);
    return it == record->values.end() ? std::string() : it->second;
  });
}

ImmutablePtr Manager::MakeImmutable(const RecordPtr& record) {
  Hold(record);
  return Adopt(record);
}

ImmutablePtr Manager::Adopt(RecordPtr record) { return std::make_shared<ImmutableHandle>(std::make_shared<HeldRecord>(this, std::move(record))); }

std::vector<RecordPtr> Manager::Chain(const RecordPtr& record) const {
  std::vector<RecordPtr> chain;
  for (RecordPtr link = record; link != nullptr; link = link->parent) chain.push_back(link);
  std::reverse(chain.begin(), chain.end());
  return chain;
}

snapshotter::Parents Manager::SnapshotChain(const RecordPtr& record) const {
  snapshotter::Parents parents;
  for (const Record* link = record.get(); link != nullptr; link = link->parent.get()) parents.push_back(link->snapshot);
  return parents;
}

absl::StatusOr<MutablePtr> Manager::New(const CancelToken& cancel, const FetchContext& fetch, const ImmutablePtr& parent, const NewOptions& options) {
  RecordPtr below = RecordOf(parent);
  if (below != nullptr) {
    BK_RETURN_IF_ERROR(Extract(cancel, fetch, below));
    BK_RETURN_IF_ERROR(Finalize(below));
  }
  auto record = std::make_shared<Record>();
  record->id = NewId();
  record->type = options.type;
  record->description = options.description;
  record->retained = options.retain;
  record->created_ns = solver::NowNs();
  record->snapshot = next_snapshot_++;
  record->parent = below;
  record->handles = 1;
  record->doomed = true;  // until it stands
  table_.With([&](Table& table) {
    if (below != nullptr) below->children++;
    Insert(table, record);
  });
  auto handle = std::make_unique<MutableHandle>(this, record);
  // The tree first, its row last: a row never promises what is not there.
  BK_RETURN_IF_ERROR(driver_->Prepare(cancel, record->snapshot, SnapshotChain(below)));
  if (options.retain) BK_RETURN_IF_ERROR(SaveRow(record));
  table_.With([&](Table&) { record->doomed = false; });
  return handle;
}

absl::StatusOr<ImmutablePtr> Manager::Get(const CancelToken& cancel, const std::string& id) {
  BK_RETURN_IF_ERROR(cancel.Check());
  RecordPtr record = table_.With([&](Table& table) -> RecordPtr {
    RecordPtr found = Find(table, id);
    if (found == nullptr || found->state == RecordState::kMutable || !found->has_row || found->doomed) return nullptr;
    found->handles++;
    return found;
  });
  if (record == nullptr) return NotFound("cache record ", id, ": not found");
  return Adopt(record);
}

std::vector<std::string> Manager::FindMutable(const std::string& index) {
  return FindIndexed(RecordState::kMutable, [&](const std::string& of) { return of == index; });
}

std::vector<std::string> Manager::FindCommitted(const std::string& index) {
  return FindIndexed(RecordState::kCommitted, [&](const std::string& of) { return of == index; });
}

std::vector<std::string> Manager::FindMutableBelow(const std::string& index) {
  return FindIndexed(RecordState::kMutable, [prefix = index + ":"](const std::string& of) { return of.starts_with(prefix); });
}

std::vector<std::string> Manager::FindIndexed(RecordState state, const std::function<bool(const std::string&)>& matches) {
  std::vector<RecordPtr> found;
  table_.With([&](Table& table) {
    for (auto& [id, record] : table.by_id) {
      if (record->state == state && !record->doomed && matches(record->index)) found.push_back(record);
    }
  });
  std::sort(found.begin(), found.end(), [](auto& a, auto& b) { return a->created_ns < b->created_ns; });
  std::vector<std::string> ids;
  for (const RecordPtr& record : found) ids.push_back(record->id);
  return ids;
}

absl::StatusOr<ImmutablePtr> Manager::GetByBlob(const CancelToken& cancel, const Descriptor& descriptor, const Digest& diff_id, const ImmutablePtr& parent, BlobFetcher fetch_blob, const NewOptions& options) {
  BK_RETURN_IF_ERROR(cancel.Check());
  RecordPtr below = RecordOf(parent);
  if (below != nullptr) BK_RETURN_IF_ERROR(Finalize(below));
  auto record = std::make_shared<Record>();
  record->id = NewId();
  record->parent = below;
  record->state = RecordState::kLazy;
  record->type = options.type;
  record->blob = descriptor;
  record->diff_id = diff_id;
  record->description = options.description;
  record->merged = options.merged;
  record->created_ns = solver::NowNs();
  record->handles = 1;
  RecordPtr known = table_.With([&](Table& table) -> RecordPtr {
    auto it = table.layers.find({below.get(), descriptor.digest});
    if (it != table.layers.end() && it->second->diff_id == diff_id && it->second->state != RecordState::kMutable && !it->second->doomed) {
      if (fetch_blob != nullptr) it->second->fetch = std::move(fetch_blob);
      it->second->handles++;
      return it->second;
    }
    record->fetch = std::move(fetch_blob);
    if (below != nullptr) below->children++;
    Insert(table, record);
    return nullptr;
  });
  if (known != nullptr) return Adopt(known);
  ImmutablePtr ref = Adopt(record);
  BK_RETURN_IF_ERROR(SaveRow(record));
  return ref;
}

}  // namespace bk::cache
