// Disk usage and the rules of removal (reference: cache/manager.go; trap 25).
#include <sys/stat.h>
#include <sys/statvfs.h>

#include <algorithm>
#include <set>

#include "base/filter.h"
#include "base/os/file.h"
#include "daemon/cache/manager.h"

namespace bk::cache {
namespace {

constexpr const char* kTypeNames[] = {"regular", "internal", "frontend", "source.local", "source.git.checkout", "exec.cachemount"};

// Disk space of a tree in bytes, files with several names once.
absl::StatusOr<int64_t> TreeBytes(const std::string& root) {
  int64_t bytes = 0;
  std::set<std::pair<dev_t, ino_t>> counted;
  std::vector<std::string> pending = {root};
  while (!pending.empty()) {
    std::string directory = pending.back();
    pending.pop_back();
    BK_TRY(std::vector<std::string> names, os::ListDir(directory));
    for (const std::string& name : names) {
      std::string path = StrCat(directory, "/", name);
      struct stat st;
      if (lstat(path.c_str(), &st) < 0) continue;
      if (st.st_nlink > 1 && !S_ISDIR(st.st_mode) && !counted.emplace(st.st_dev, st.st_ino).second) continue;
      bytes += st.st_blocks * 512;
      if (S_ISDIR(st.st_mode)) pending.push_back(path);
    }
  }
  return bytes;
}

// Unreferenced blobs younger than that may be on their way to somebody.
constexpr int64_t kSweepAgeSeconds = 600;

// Then kept images go too, and no blob stays that nothing holds.
bool WantsEverythingGone(const PruneOptions& options) {
  return options.all && options.filter.empty() && options.keep_duration_ns == 0 && options.reserved_bytes == 0 && options.max_used_bytes == 0 && options.min_free_bytes == 0;
}

// The reference's calculateKeepBytes.
int64_t BytesToKeep(const PruneOptions& options, int64_t total, int64_t free_bytes) {
  int64_t keep = options.max_used_bytes;
  int64_t missing = options.min_free_bytes - free_bytes;
  if (missing > 0) {
    keep = keep == 0 ? total - missing : std::min(keep, total - missing);
  } else if (options.min_free_bytes != 0 && keep == 0) {
    keep = total;
  }
  return std::max(keep, options.reserved_bytes);
}

// Least worth first: rank of age plus rank of use, both normalised; equal values share a rank.
void SortByWorth(std::vector<RecordPtr>& records) {
  std::unordered_map<const Record*, double> worth;
  auto rank = [&](auto value) {
    std::stable_sort(records.begin(), records.end(), [&](const RecordPtr& a, const RecordPtr& b) { return value(*a) < value(*b); });
    std::vector<double> ranks;
    double highest = 1;
    int64_t last = 0;
    for (const RecordPtr& record : records) {
      if (int64_t v = value(*record); v != last) {
        last = v;
        highest++;
      }
      ranks.push_back(highest);
    }
    for (size_t i = 0; i < records.size(); i++) worth[records[i].get()] += ranks[i] / highest;
  };
  rank([](const Record& r) { return r.used_ns; });
  rank([](const Record& r) { return r.usage_count; });
  std::stable_sort(records.begin(), records.end(), [&](const RecordPtr& a, const RecordPtr& b) { return worth[a.get()] < worth[b.get()]; });
}

}  // namespace

absl::StatusOr<int64_t> Manager::Measure(const RecordPtr& record) {
  bool may_change = record->state == RecordState::kMutable;
  std::vector<std::pair<Digest, int64_t>> blobs;
  int64_t known = table_.With([&](Table&) {
    if (!record->blob.digest.empty()) blobs.emplace_back(record->blob.digest, 0);
    for (auto& [key, digest] : record->variants) blobs.emplace_back(digest, 0);
    return record->size_bytes;
  });
  if (known >= 0) return known;
  int64_t bytes = 0;
  if (snapshotter::SnapshotId snapshot = record->snapshot; snapshot != 0) {
    std::string dir = driver_->UpperDir(snapshot);
    if (dir.empty()) dir = driver_->WritableMounts(snapshot, {})[0].source;
    BK_ASSIGN(bytes, TreeBytes(dir));
  }
  for (auto& [digest, size] : blobs) bytes += content_->Size(digest).value_or(0);
  if (may_change) return bytes;
  table_.With([&](Table&) { record->size_bytes = bytes; });
  db_->Post({{"UPDATE records SET size=? WHERE id=?", {bytes, record->id}}});
  return bytes;
}

UsageRecord Manager::Usage(const Record& record) {
  UsageRecord usage;
  usage.id = record.id;
  usage.is_mutable = record.state == RecordState::kMutable;
  usage.in_use = record.handles > 0;
  usage.size_bytes = std::max<int64_t>(record.size_bytes, 0);
  if (record.parent != nullptr) usage.parents.push_back(record.parent->id);
  usage.created_ns = record.created_ns;
  usage.last_used_ns = record.used_ns;
  usage.usage_count = record.usage_count;
  usage.description = record.description;
  usage.record_type = kTypeNames[static_cast<int>(record.type)];
  return usage;
}

// Of a pair that shares one snapshot only one is told: the view while somebody holds it, else the tree.
bool Manager::IsDuplicate(const Table& table, const Record& record) {
  RecordPtr twin = Find(table, record.twin);
  if (twin == nullptr) return false;
  return record.state == RecordState::kMutable ? twin->handles > 0 : record.handles == 0;
}

absl::StatusOr<std::vector<UsageRecord>> Manager::DiskUsage(const CancelToken& cancel, const std::vector<std::string>& filter) {
  BK_TRY(Filter wanted, Filter::Parse(filter, "diskusage"));
  std::vector<std::pair<RecordPtr, UsageRecord>> records;
  table_.With([&](Table& table) {
    std::set<const Record*> used;  // by a handle of its own, or of anything that stands on it
    for (auto& [id, record] : table.by_id) {
      if (record->handles == 0) continue;
      for (const Record* link = record.get(); link != nullptr && used.insert(link).second; link = link->parent.get()) {
      }
    }
    for (auto& [id, record] : table.by_id) {
      if (IsDuplicate(table, *record)) continue;
      UsageRecord usage = Usage(*record);
      usage.in_use = used.contains(record.get());
      if (wanted.Matches(UsageFields(usage.id, usage.description, usage.record_type, usage.parents, usage.is_mutable, usage.in_use, usage.shared))) records.emplace_back(record, std::move(usage));
    }
  });
  std::vector<UsageRecord> usages;
  for (auto& [record, usage] : records) {
    BK_RETURN_IF_ERROR(cancel.Check());
    bool changing = usage.is_mutable && usage.in_use;  // its size means nothing
    usage.size_bytes = changing ? 0 : Measure(record).value_or(0);
    usages.push_back(std::move(usage));
  }
  std::sort(usages.begin(), usages.end(), [](auto& a, auto& b) { return a.size_bytes != b.size_bytes ? a.size_bytes < b.size_bytes : a.id < b.id; });
  return usages;
}

absl::Status Manager::Prune(const CancelToken& cancel, const std::vector<PruneOptions>& passes, const std::function<void(const UsageRecord&)>& removed) {
  for (const PruneOptions& options : passes) BK_RETURN_IF_ERROR(PrunePass(cancel, options, removed));
  if (!std::any_of(passes.begin(), passes.end(), WantsEverythingGone)) return SweepContent(kSweepAgeSeconds);
  for (const char* kept : {lease::kImagePrefix, lease::kKnownPrefix}) BK_RETURN_IF_ERROR(leases_->DropAll(kept));
  auto alone = content_->TryKeepUsesAway();
  return SweepContent(alone.owns_lock() ? 0 : kSweepAgeSeconds);
}

std::vector<RecordPtr> Manager::Victims(const Filter& filter, const PruneOptions& options) {
  int64_t now = solver::NowNs();
  std::vector<RecordPtr> victims;
  table_.With([&](Table& table) {
    for (auto& [id, record] : table.by_id) {
      if (record->handles > 0 || record->children > 0 || IsDuplicate(table, *record)) continue;
      if (options.keep_duration_ns > 0 && record->used_ns != 0 && now - record->used_ns < options.keep_duration_ns) continue;
      bool internal = record->type == RecordType::kInternal || record->type == RecordType::kFrontend;
      if (internal && !options.all) continue;
      UsageRecord usage = Usage(*record);
      if (filter.Matches(UsageFields(usage.id, usage.description, usage.record_type, usage.parents, usage.is_mutable, usage.in_use, usage.shared))) victims.push_back(record);
    }
    SortByWorth(victims);
  });
  return victims;
}

absl::Status Manager::PrunePass(const CancelToken& cancel, const PruneOptions& options, const std::function<void(const UsageRecord&)>& removed) {
  BK_TRY(Filter wanted, Filter::Parse(options.filter, "prune"));
  bool limited = options.reserved_bytes != 0 || options.max_used_bytes != 0 || options.min_free_bytes != 0;
  int64_t total = 0, keep = 0;
  if (limited) {
    BK_TRY(std::vector<UsageRecord> usages, DiskUsage(cancel, {}));
    for (const UsageRecord& usage : usages) total += usage.size_bytes;
    struct statvfs fs;
    int64_t free_bytes = statvfs(root_.c_str(), &fs) == 0 ? static_cast<int64_t>(fs.f_bavail) * static_cast<int64_t>(fs.f_frsize) : INT64_MAX;
    keep = BytesToKeep(options, total, free_bytes);
  }
  // Leaves first: each removal may free its parent.
  while (!limited || total > keep) {
    std::vector<RecordPtr> victims = Victims(wanted, options);
    // By worth one at a time, since a freed parent may be worth less than the next leaf; without a limit all at once.
    if (limited && victims.size() > 1) victims.resize(1);
    if (victims.empty()) return absl::OkStatus();
    bool any = false;
    for (const RecordPtr& record : victims) {
      BK_RETURN_IF_ERROR(cancel.Check());
      int64_t size = Measure(record).value_or(0);
      Removal removal;
      UsageRecord usage;
      bool detached = table_.With([&](Table& table) {
        usage = Usage(*record);
        return Detach(table, record, removal);
      });
      if (!detached) continue;
      usage.size_bytes = size;
      BK_RETURN_IF_ERROR(Remove(removal));
      any = true;
      total -= size;
      removed(usage);
    }
    if (!any && !limited) return absl::OkStatus();
  }
  return absl::OkStatus();
}

}  // namespace bk::cache
