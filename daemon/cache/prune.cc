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

}  // namespace

absl::StatusOr<int64_t> Manager::Measure(const RecordPtr& record) {
  bool final_size = record->state != RecordState::kMutable;
  if (final_size && record->size_bytes >= 0) return record->size_bytes;
  int64_t bytes = 0;
  if (record->snapshot != 0) {
    std::string dir = driver_->UpperDir(record->snapshot);
    if (dir.empty()) dir = driver_->WritableMounts(record->snapshot, {})[0].source;
    BK_ASSIGN(bytes, TreeBytes(dir));
  }
  if (!record->blob.digest.empty() && content_->Has(record->blob.digest)) bytes += record->blob.size;
  if (record->state == RecordState::kCommitted) {
    record->size_bytes = bytes;
    BK_RETURN_IF_ERROR(Save(record));
  }
  return bytes;
}

UsageRecord Manager::Usage(const Record& record) const {
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

absl::StatusOr<std::vector<UsageRecord>> Manager::DiskUsage(const CancelToken& cancel, const std::vector<std::string>& filter) {
  BK_TRY(Filter wanted, Filter::Parse(filter));
  std::vector<RecordPtr> records;
  records_.With([&](Records& all) {
    for (auto& [id, record] : all) records.push_back(record);
  });
  std::vector<UsageRecord> usages;
  for (const RecordPtr& record : records) {
    BK_RETURN_IF_ERROR(cancel.Check());
    auto size = Measure(record);
    if (!size.ok()) continue;  // gone in the meantime
    UsageRecord usage = records_.With([&](Records&) { return Usage(*record); });
    usage.size_bytes = *size;
    if (wanted.Matches(UsageFields(usage.id, usage.description, usage.record_type, usage.parents, usage.is_mutable, usage.in_use, usage.shared))) usages.push_back(std::move(usage));
  }
  std::sort(usages.begin(), usages.end(), [](auto& a, auto& b) { return a.size_bytes != b.size_bytes ? a.size_bytes < b.size_bytes : a.id < b.id; });
  return usages;
}

absl::Status Manager::Prune(const CancelToken& cancel, const std::vector<PruneOptions>& passes, const std::function<void(const UsageRecord&)>& removed) {
  for (const PruneOptions& options : passes) BK_RETURN_IF_ERROR(PrunePass(cancel, options, removed));
  return absl::OkStatus();
}

absl::Status Manager::PrunePass(const CancelToken& cancel, const PruneOptions& options, const std::function<void(const UsageRecord&)>& removed) {
  BK_TRY(Filter wanted, Filter::Parse(options.filter));
  int64_t keep = 0, total = 0;
  bool limited = options.reserved_bytes != 0 || options.max_used_bytes != 0 || options.min_free_bytes != 0;
  BK_TRY(std::vector<UsageRecord> usages, DiskUsage(cancel, {}));
  for (const UsageRecord& usage : usages) total += usage.size_bytes;
  if (limited) {
    keep = options.max_used_bytes != 0 ? options.max_used_bytes : INT64_MAX;
    struct statvfs fs;
    if (options.min_free_bytes != 0 && statvfs(root_.c_str(), &fs) == 0) {
      int64_t free_bytes = static_cast<int64_t>(fs.f_bavail) * static_cast<int64_t>(fs.f_frsize);
      keep = std::min(keep, total - std::max<int64_t>(options.min_free_bytes - free_bytes, 0));
    }
    keep = std::max(keep, options.reserved_bytes);
  }
  // Leaves first: each removal may free its parent.
  while (!limited || total > keep) {
    BK_RETURN_IF_ERROR(cancel.Check());
    int64_t now = solver::NowNs();
    std::vector<RecordPtr> victims;
    records_.With([&](Records& all) {
      for (auto& [id, record] : all) {
        if (record->handles > 0 || record->children > 0) continue;
        int64_t used = record->used_ns != 0 ? record->used_ns : record->created_ns;
        if (options.keep_duration_ns > 0 && now - used < options.keep_duration_ns) continue;
        bool internal = record->type == RecordType::kInternal || record->type == RecordType::kFrontend;
        if (internal && !options.all) continue;
        UsageRecord usage = Usage(*record);
        if (wanted.Matches(UsageFields(usage.id, usage.description, usage.record_type, usage.parents, usage.is_mutable, usage.in_use, usage.shared))) victims.push_back(record);
      }
    });
    if (victims.empty()) return absl::OkStatus();
    // Age rank plus rarity rank, both normalised.
    auto rank = [&](auto less) {
      std::vector<RecordPtr> order = victims;
      std::sort(order.begin(), order.end(), less);
      std::unordered_map<Record*, double> ranks;
      for (size_t i = 0; i < order.size(); i++) ranks[order[i].get()] = static_cast<double>(i) / static_cast<double>(order.size());
      return ranks;
    };
    auto age = rank([](auto& a, auto& b) { return a->used_ns < b->used_ns; });
    auto rarity = rank([](auto& a, auto& b) { return a->usage_count < b->usage_count; });
    std::sort(victims.begin(), victims.end(), [&](auto& a, auto& b) { return age[a.get()] + rarity[a.get()] < age[b.get()] + rarity[b.get()]; });
    bool any = false;
    for (const RecordPtr& record : victims) {
      if (limited && total <= keep) return absl::OkStatus();
      int64_t size = Measure(record).value_or(0);
      UsageRecord usage = records_.With([&](Records&) { return Usage(*record); });
      usage.size_bytes = size;
      if (!RemoveRecord(record).ok()) continue;
      any = true;
      total -= size;
      removed(usage);
    }
    if (!any) return absl::OkStatus();
  }
  return absl::OkStatus();
}

}  // namespace bk::cache
