#include "daemon/cache/manager.h"

#include <algorithm>
#include <set>

#include "base/id.h"
#include "base/log.h"
#include "base/os/file.h"
#include "daemon/cache/refs.h"

namespace bk::cache {
namespace {

constexpr char kColumns[] = "SELECT id,parent,snapshot,state,kind,media_type,blob,blob_size,diff_id,chain_id,size,created,used,usage_count,description,lookup,retained FROM records";

Digest ParseOrEmpty(const std::string& text) { return Digest::Parse(text).value_or(Digest()); }

}  // namespace

absl::Status Manager::LoadRecords(Records& records) {
  std::unordered_map<std::string, std::string> parents;
  BK_RETURN_IF_ERROR(db_->Query(kColumns, {}, [&](const meta::Row& row) {
    auto record = std::make_shared<Record>();
    record->id = row.Text(0);
    parents[record->id] = row.Text(1);
    record->snapshot = row.Int(2);
    record->state = static_cast<RecordState>(row.Int(3));
    record->type = static_cast<RecordType>(row.Int(4));
    record->blob = {row.Text(5), ParseOrEmpty(row.Text(6)), row.Int(7), {}, {}, ""};
    record->diff_id = ParseOrEmpty(row.Text(8));
    record->chain_id = ParseOrEmpty(row.Text(9));
    record->size_bytes = row.Int(10);
    record->created_ns = row.Int(11);
    record->used_ns = row.Int(12);
    record->usage_count = row.Int(13);
    record->description = row.Text(14);
    record->index = row.Text(15);
    record->retained = row.Int(16) != 0;
    records[record->id] = std::move(record);
  }));
  BK_RETURN_IF_ERROR(db_->Query("SELECT id,key,value FROM record_values", {}, [&](const meta::Row& row) {
    if (auto it = records.find(row.Text(0)); it != records.end()) it->second->values[row.Text(1)] = row.Text(2);
  }));
  for (auto& [id, record] : records) {
    const std::string& parent = parents[id];
    if (parent.empty()) continue;
    auto it = records.find(parent);
    if (it == records.end()) {
      record->state = RecordState::kMutable;  // its ground is gone: swept below
      record->retained = false;
      continue;
    }
    record->parent = it->second;
    it->second->children++;
  }
  return absl::OkStatus();
}

absl::Status Manager::Recover() {
  Records records;
  BK_RETURN_IF_ERROR(LoadRecords(records));
  // Unfinished trees go, and lazy ones: whoever could fetch them is gone.
  std::vector<RecordPtr> doomed;
  for (auto& [id, record] : records) {
    bool unfinished = record->state == RecordState::kMutable && !record->retained;
    bool unreachable = record->state == RecordState::kLazy && !content_->Has(record->blob.digest);
    if (unfinished || unreachable) doomed.push_back(record);
  }
  std::set<RecordPtr> gone;
  bool grew = true;
  for (const RecordPtr& record : doomed) gone.insert(record);
  while (grew) {
    grew = false;
    for (auto& [id, record] : records) {
      if (record->parent != nullptr && gone.contains(record->parent) && gone.insert(record).second) grew = true;
    }
  }
  std::set<snapshotter::SnapshotId> wanted;
  int64_t highest = 0;
  BK_RETURN_IF_ERROR(db_->Transaction([&]() -> absl::Status {
    for (const RecordPtr& record : gone) {
      BK_RETURN_IF_ERROR(db_->Run("DELETE FROM records WHERE id=?", {record->id}));
      BK_RETURN_IF_ERROR(db_->Run("DELETE FROM record_values WHERE id=?", {record->id}));
      if (record->parent != nullptr) record->parent->children--;
      records.erase(record->id);
    }
    return absl::OkStatus();
  }));
  for (auto& [id, record] : records) {
    if (record->snapshot != 0) wanted.insert(record->snapshot);
    highest = std::max(highest, record->snapshot);
  }
  BK_TRY(std::vector<std::string> names, os::ListDir(root_ + "/snapshots"));
  for (const std::string& name : names) {
    int64_t number = std::atoll(name.c_str());
    highest = std::max(highest, number);
    if (!wanted.contains(number)) BK_RETURN_IF_ERROR(os::RemoveAll(StrCat(root_, "/snapshots/", name)));
  }
  next_snapshot_ = highest + 1;
  records_.With([&](Records& r) { r = std::move(records); });
  return absl::OkStatus();
}

absl::Status Manager::Save(const RecordPtr& r) {
  return db_->Run("INSERT OR REPLACE INTO records VALUES(?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)",
                  {r->id, r->parent == nullptr ? std::string() : r->parent->id, r->snapshot, static_cast<int64_t>(r->state), static_cast<int64_t>(r->type),
                   r->blob.media_type, r->blob.digest.str(), r->blob.size, r->diff_id.str(), r->chain_id.str(), r->size_bytes, r->created_ns, r->used_ns,
                   r->usage_count, r->description, r->index, static_cast<int64_t>(r->retained)});
}

absl::Status Manager::SaveValue(const RecordPtr& record, const std::string& key, const std::string& value) {
  records_.With([&](Records&) { record->values[key] = value; });
  return db_->Run("INSERT OR REPLACE INTO record_values VALUES(?,?,?)", {record->id, key, value});
}

std::string Manager::Value(const RecordPtr& record, const std::string& key) {
  return records_.With([&](Records&) {
    auto it = record->values.find(key);
    return it == record->values.end() ? std::string() : it->second;
  });
}

void Manager::Hold(const RecordPtr& record) {
  records_.With([&](Records&) { record->handles++; });
}

void Manager::Release(const RecordPtr& record, bool drop) {
  bool last = records_.With([&](Records&) { return --record->handles == 0; });
  if (drop && last) {
    RemoveRecord(record).IgnoreError();
    return;
  }
  if (!last) return;
  record->used_ns = solver::NowNs();
  record->usage_count++;
  db_->Run("UPDATE records SET used=?, usage_count=? WHERE id=?", {record->used_ns, record->usage_count, record->id}).IgnoreError();
}

ImmutablePtr Manager::MakeImmutable(const RecordPtr& record) { return std::make_shared<ImmutableHandle>(this, record); }

std::vector<RecordPtr> Manager::Chain(const RecordPtr& record) const {
  std::vector<RecordPtr> chain;
  for (RecordPtr link = record; link != nullptr; link = link->parent) chain.push_back(link);
  std::reverse(chain.begin(), chain.end());
  return chain;
}

snapshotter::Parents Manager::SnapshotChain(const RecordPtr& record) const {
  snapshotter::Parents parents;
  for (RecordPtr link = record; link != nullptr; link = link->parent) parents.push_back(link->snapshot);
  return parents;
}

absl::StatusOr<MutablePtr> Manager::New(const CancelToken& cancel, const FetchContext& fetch, const ImmutablePtr& parent, const NewOptions& options) {
  auto record = std::make_shared<Record>();
  record->id = NewId();
  record->parent = RecordOf(parent);
  record->type = options.type;
  record->description = options.description;
  record->retained = options.retain;
  record->created_ns = solver::NowNs();
  record->snapshot = next_snapshot_++;
  if (record->parent != nullptr) BK_RETURN_IF_ERROR(Extract(cancel, fetch, record->parent));
  records_.With([&](Records& records) {
    records[record->id] = record;
    if (record->parent != nullptr) record->parent->children++;
    record->handles++;
  });
  auto handle = std::make_unique<MutableHandle>(this, record);
  BK_RETURN_IF_ERROR(Save(record));
  snapshotter::Parents parents = record->parent == nullptr ? snapshotter::Parents() : SnapshotChain(record->parent);
  absl::Status prepared = driver_->Prepare(cancel, record->snapshot, parents);
  if (!prepared.ok()) {
    record->retained = false;
    return prepared;
  }
  return handle;
}

absl::StatusOr<ImmutablePtr> Manager::Get(const CancelToken&, const std::string& id) {
  RecordPtr record = records_.With([&](Records& records) -> RecordPtr {
    auto it = records.find(id);
    return it == records.end() || it->second->state == RecordState::kMutable ? nullptr : it->second;
  });
  if (record == nullptr) return NotFound("cache record ", id, ": not found");
  return MakeImmutable(record);
}

absl::StatusOr<MutablePtr> Manager::GetMutable(const CancelToken&, const std::string& id) {
  RecordPtr record;
  absl::Status status = records_.With([&](Records& records) -> absl::Status {
    auto it = records.find(id);
    if (it == records.end() || it->second->state != RecordState::kMutable) return NotFound("cache record ", id, ": not found");
    if (it->second->handles > 0) return FailedPrecondition("cache record ", id, ": locked");
    record = it->second;
    record->handles++;
    return absl::OkStatus();
  });
  BK_RETURN_IF_ERROR(status);
  return std::make_unique<MutableHandle>(this, record);
}

std::vector<std::string> Manager::FindMutable(const std::string& index) {
  std::vector<RecordPtr> found;
  records_.With([&](Records& records) {
    for (auto& [id, record] : records) {
      if (record->state == RecordState::kMutable && record->index == index) found.push_back(record);
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
  // OCI chain id (image-spec config.md): one layer's is its diff id.
  Digest chain = below == nullptr ? diff_id : DigestOf(StrCat(below->chain_id.str(), " ", diff_id.str()));
  auto record = std::make_shared<Record>();
  ImmutablePtr known = records_.With([&](Records& records) -> ImmutablePtr {
    for (auto& [id, other] : records) {
      if (other->state != RecordState::kMutable && other->chain_id == chain && other->parent == below && !other->blob.digest.empty()) {
        if (fetch_blob != nullptr) other->fetch = fetch_blob;
        record = other;
        return nullptr;
      }
    }
    return nullptr;
  });
  if (!record->id.empty()) return MakeImmutable(record);
  record->id = NewId();
  record->parent = below;
  record->state = RecordState::kLazy;
  record->type = options.type;
  record->blob = descriptor;
  record->diff_id = diff_id;
  record->chain_id = chain;
  record->description = options.description;
  record->created_ns = solver::NowNs();
  record->fetch = std::move(fetch_blob);
  records_.With([&](Records& records) {
    records[record->id] = record;
    if (below != nullptr) below->children++;
  });
  BK_RETURN_IF_ERROR(Save(record));
  return MakeImmutable(record);
}

absl::StatusOr<ImmutablePtr> Manager::Merge(const CancelToken& cancel, const std::vector<ImmutablePtr>& inputs, const NewOptions& options) {
  ImmutablePtr merged;
  for (const ImmutablePtr& input : inputs) {
    if (input == nullptr) continue;
    if (merged == nullptr) {
      merged = input;
      continue;
    }
    BK_TRY(std::vector<Layer> layers, input->Layers(cancel, {}, {}, true));
    for (const Layer& layer : layers) {
      NewOptions copy = options;
      copy.description = layer.description;
      BK_ASSIGN(merged, GetByBlob(cancel, layer.descriptor, layer.diff_id, merged, layer.fetch, copy));
    }
  }
  return merged;
}

absl::Status Manager::RemoveRecord(const RecordPtr& record) {
  bool blob_used = true;
  bool removed = records_.With([&](Records& records) {
    if (record->handles > 0 || record->children > 0 || records.erase(record->id) == 0) return false;
    if (record->parent != nullptr) record->parent->children--;
    blob_used = record->blob.digest.empty() || BlobIsUsed(records, record->blob.digest);
    return true;
  });
  if (!removed) return FailedPrecondition("cache record ", record->id, " is in use");
  BK_RETURN_IF_ERROR(db_->Transaction([&]() -> absl::Status {
    BK_RETURN_IF_ERROR(db_->Run("DELETE FROM record_values WHERE id=?", {record->id}));
    return db_->Run("DELETE FROM records WHERE id=?", {record->id});
  }));
  if (on_removed_) on_removed_(record->id);
  if (record->snapshot != 0) BK_RETURN_IF_ERROR(driver_->Remove(record->snapshot));
  return blob_used ? absl::OkStatus() : content_->Remove(record->blob.digest);
}

bool Manager::BlobIsUsed(const Records& records, const Digest& digest) {
  return std::any_of(records.begin(), records.end(), [&](const auto& entry) { return entry.second->blob.digest == digest; });
}

}  // namespace bk::cache
