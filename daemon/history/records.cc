#include "daemon/history/records.h"

#include <algorithm>

#include "base/log.h"
#include "daemon/history/documents.h"

namespace bk::history {
namespace {

std::string LeaseOf(const std::string& ref) { return lease::kHistoryPrefix + ref; }

int64_t CompletedNs(const Record& record) { return record.completedat().seconds() * 1'000'000'000 + record.completedat().nanos(); }

// What a build's record alone refers to, as a rule.
std::set<Digest> OwnBlobs(const Record& record) {
  std::set<Digest> own;
  auto add = [&](bool there, const moby::buildkit::v1::Descriptor& descriptor) {
    auto digest = Digest::Parse(descriptor.digest());
    if (there && digest.ok()) own.insert(*digest);
  };
  add(record.has_logs(), record.logs());
  add(record.has_trace(), record.trace());
  add(record.has_externalerror(), record.externalerror());
  return own;
}

}  // namespace

std::set<Digest> BlobsOf(const content::ContentStore& content, const Record& record) {
  std::set<Digest> blobs;
  for (const Digest& digest : OwnBlobs(record)) {
    if (content.Has(digest)) blobs.insert(digest);
  }
  auto add = [&](const moby::buildkit::v1::BuildResultInfo& info) {
    if (info.has_resultdeprecated()) AddDocuments(content, info.resultdeprecated(), blobs);
    for (const auto& [index, descriptor] : info.results()) AddDocuments(content, descriptor, blobs);
    for (const auto& descriptor : info.attestations()) AddDocuments(content, descriptor, blobs);
  };
  if (record.has_result()) add(record.result());
  for (const auto& [platform, info] : record.results()) add(info);
  return blobs;
}

absl::Status Records::Load() {
  Index index;
  std::vector<std::string> broken;
  BK_RETURN_IF_ERROR(parts_.db->Query("SELECT ref,completed,pinned,record FROM builds", {}, [&](const meta::Row& row) {
    Record record;
    bool whole = record.ParseFromString(row.Text(3)) && record.ref() == row.Text(0) && IsWhole(record);
    if (!whole) broken.push_back(row.Text(0));
    index[row.Text(0)] = {row.Int(1), row.Int(2) != 0};
  }));
  index_.With([&](Index& i) { i = index; });
  for (const std::string& ref : broken) {
    log::Warning("a build's record is removed: its blobs are gone", {{"ref", ref}});
    BK_RETURN_IF_ERROR(Remove(ref));
  }
  for (const auto& [id, digests] : parts_.leases->List(lease::kHistoryPrefix)) {
    if (!Has(id.substr(LeaseOf("").size()))) BK_RETURN_IF_ERROR(parts_.leases->Drop(id));
  }
  return absl::OkStatus();
}

bool Records::IsWhole(const Record& record) const {
  std::set<Digest> own = OwnBlobs(record);
  return std::all_of(own.begin(), own.end(), [&](const Digest& digest) { return parts_.content->Has(digest); });
}

absl::Status Records::Put(const Record& record) {
  Entry entry{CompletedNs(record), record.pinned()};
  std::vector<meta::Statement> row = {{"INSERT OR REPLACE INTO builds VALUES(?,?,?,?)", {record.ref(), entry.completed_ns, int64_t{entry.pinned}, record.SerializeAsString()}}};
  BK_RETURN_IF_ERROR(parts_.leases->ReplaceWith(LeaseOf(record.ref()), BlobsOf(*parts_.content, record), std::move(row)));
  index_.With([&](Index& i) { i[record.ref()] = entry; });
  return absl::OkStatus();
}

absl::StatusOr<Record> Records::Update(const std::string& ref, const std::function<void(Record&)>& change) {
  std::lock_guard one(updates_);
  auto record = Find(ref);
  if (!record.ok()) return record.status().code() == absl::StatusCode::kNotFound ? Unknown("failed to retrieve ref ", ref, ": file does not exist") : record.status();
  change(*record);
  // A record that was removed meanwhile does not come back.
  BK_RETURN_IF_ERROR(parts_.db->Run("UPDATE builds SET pinned=?, record=? WHERE ref=?", {int64_t{record->pinned()}, record->SerializeAsString(), ref}));
  index_.With([&](Index& i) {
    if (auto it = i.find(ref); it != i.end()) it->second.pinned = record->pinned();
  });
  return record;
}

absl::StatusOr<Record> Records::Find(const std::string& ref) const {
  Record record;
  bool found = false;
  BK_RETURN_IF_ERROR(parts_.db->Query("SELECT record FROM builds WHERE ref=?", {ref}, [&](const meta::Row& row) { found = record.ParseFromString(row.Text(0)); }));
  if (!found) return NotFound("no record of build ", Quote(ref));
  return record;
}

bool Records::Has(const std::string& ref) const {
  return index_.With([&](const Index& i) { return i.contains(ref); });
}

absl::StatusOr<std::vector<Record>> Records::All() const {
  std::vector<Record> records;
  BK_RETURN_IF_ERROR(parts_.db->Query("SELECT record FROM builds ORDER BY ref", {}, [&](const meta::Row& row) {
    if (!records.emplace_back().ParseFromString(row.Text(0))) records.pop_back();
  }));
  return records;
}

absl::StatusOr<bool> Records::Remove(const std::string& ref) {
  auto record = Find(ref);
  if (!index_.With([&](Index& i) { return i.erase(ref) > 0; })) return false;
  BK_RETURN_IF_ERROR(parts_.leases->DropWith(LeaseOf(ref), {{"DELETE FROM builds WHERE ref=?", {ref}}}));
  if (!record.ok() || parts_.remove_blob == nullptr) return true;
  for (const Digest& digest : OwnBlobs(*record)) {
    absl::Status removed = parts_.remove_blob(digest);
    if (!removed.ok() && removed.code() != absl::StatusCode::kNotFound) log::Warning("a blob of a removed record stays", {{"digest", digest.str()}, {"error", Message(removed)}});
  }
  return true;
}

std::vector<std::string> Records::Expired(int64_t now_ns) const {
  std::vector<std::pair<int64_t, std::string>> newest;
  index_.With([&](const Index& i) {
    for (const auto& [ref, entry] : i) {
      if (!entry.pinned) newest.emplace_back(entry.completed_ns, ref);
    }
  });
  std::vector<std::string> expired;
  std::sort(newest.rbegin(), newest.rend());
  for (size_t n = static_cast<size_t>(parts_.limits.max_entries); n < newest.size(); n++) {
    bool crowded = static_cast<int64_t>(n) >= std::max(parts_.limits.most_entries, parts_.limits.max_entries);
    if (crowded || newest[n].first < now_ns - parts_.limits.max_age_ns) expired.push_back(newest[n].second);
  }
  return expired;
}

}  // namespace bk::history
