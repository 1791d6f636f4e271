#include "daemon/config/gc.h"

#include "base/go_parse.h"
#include "daemon/config/value.h"

namespace bk::config {
namespace {

constexpr int64_t kMB = 1'000'000, kGB = 1'000'000'000, kHourNs = 3'600'000'000'000;
constexpr DiskSpace kDefaultFree = {0, 20};

bool IsUnset(const OciWorker& worker) { return worker.gc_reserved == DiskSpace{} && worker.gc_max_used == DiskSpace{} && worker.gc_min_free == DiskSpace{}; }

// A share of the disk, but at most so many bytes.
DiskSpace ShareOrAtMost(int64_t percent, int64_t most_bytes, int64_t disk_total_bytes) {
  DiskSpace share = {0, percent};
  return BytesOf(share, disk_total_bytes) > most_bytes ? DiskSpace{most_bytes, 0} : share;
}

OciWorker WithDefaults(OciWorker worker, int64_t disk_total_bytes) {
  if (!IsUnset(worker)) return worker;
  worker.gc_reserved = ShareOrAtMost(10, 10 * kGB, disk_total_bytes);
  worker.gc_max_used = ShareOrAtMost(80, 100 * kGB, disk_total_bytes);
  worker.gc_min_free = kDefaultFree;
  return worker;
}

}  // namespace

absl::Status SetGcFromFlag(const std::string& text, OciWorker& worker) {
  if (text.empty()) return absl::OkStatus();
  DiskSpace* const parts[] = {&worker.gc_reserved, &worker.gc_min_free, &worker.gc_max_used};
  const char* const names[] = {"storage", "free storage", "max storage"};
  worker.gc_reserved = worker.gc_min_free = worker.gc_max_used = DiskSpace{};
  size_t at = 0;
  for (int i = 0; i < 3 && at <= text.size(); i++) {
    size_t end = i == 2 ? text.size() : std::min(text.find(',', at), text.size());
    auto number = ParseInt(std::string_view(text).substr(at, end - at));
    if (!number.ok()) return InvalidArgument("failed to parse ", names[i], " ", Quote(text), ": ", Message(number.status()));
    parts[i]->bytes = static_cast<int64_t>(static_cast<uint64_t>(*number) * static_cast<uint64_t>(kMB));
    at = end + 1;
  }
  return absl::OkStatus();
}

std::string GcFlagText(const OciWorker& given, int64_t disk_total_bytes) {
  OciWorker worker = WithDefaults(given, disk_total_bytes);
  const int64_t parts[] = {BytesOf(worker.gc_reserved, 0) / kMB, BytesOf(worker.gc_min_free, disk_total_bytes) / kMB, BytesOf(worker.gc_max_used, disk_total_bytes) / kMB};
  int count = parts[2] != 0 ? 3 : parts[1] != 0 ? 2 : 1;
  std::string text = std::to_string(parts[0]);
  for (int i = 1; i < count; i++) text += "," + std::to_string(parts[i]);
  return text;
}

std::vector<GcPolicy> EffectivePolicies(const OciWorker& given, int64_t disk_total_bytes, int64_t) {
  std::vector<GcPolicy> policies;
  if (!given.gc) return policies;
  auto bytes = [&](const DiskSpace& space) { return BytesOf(space, disk_total_bytes); };
  for (const GcPolicyText& rule : given.gc_policies) {
    policies.push_back({rule.filters, rule.all, rule.keep_duration_ns, bytes(rule.reserved), bytes(rule.max_used), bytes(rule.min_free)});
  }
  if (!policies.empty()) return policies;
  OciWorker worker = WithDefaults(given, disk_total_bytes);
  GcPolicy rule;
  // What is made again most easily goes first, then what was not used for long, then the rest, at last internal data.
  policies.push_back({{"type==source.local", "type==exec.cachemount", "type==source.git.checkout"}, false, 48 * kHourNs, 0, 512 * kMB, 0});
  rule = {{}, false, 60 * 24 * kHourNs, bytes(worker.gc_reserved), bytes(worker.gc_max_used), bytes(worker.gc_min_free)};
  policies.push_back(rule);
  rule.keep_duration_ns = 0;
  policies.push_back(rule);
  rule.all = true;
  policies.push_back(rule);
  return policies;
}

}  // namespace bk::config
