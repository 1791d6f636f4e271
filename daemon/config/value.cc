#include "daemon/config/value.h"

#include <algorithm>

#include "base/go_parse.h"

namespace bk::config {
namespace {

constexpr int64_t kUnknownDiskBytes = 2'000'000'000, kGiB = 1 << 30, kGB = 1'000'000'000, kNsPerSecond = 1'000'000'000;

std::string_view WithoutQuotes(std::string_view text) {
  return text.size() >= 2 && text.starts_with('"') && text.ends_with('"') ? text.substr(1, text.size() - 2) : text;
}

}  // namespace

int64_t BytesOf(const DiskSpace& space, int64_t disk_total_bytes) {
  if (space.bytes != 0 || space.percent == 0) return space.bytes;
  if (disk_total_bytes == 0) return kUnknownDiskBytes;
  __int128 share = static_cast<__int128>(disk_total_bytes) * space.percent / 100;
  return static_cast<int64_t>((share / kGiB + 1) * kGB);
}

absl::StatusOr<DiskSpace> ParseDiskSpace(std::string_view text) {
  text = WithoutQuotes(text);
  if (text.empty()) return DiskSpace{};
  if (text.ends_with('%')) {
    auto percent = ParseInt(text.substr(0, text.size() - 1));
    if (!percent.ok()) return Unknown(Message(percent.status()));
    return DiskSpace{0, *percent};
  }
  auto bytes = ParseMemoryBytes(text);
  if (!bytes.ok()) return Unknown("invalid disk space ", text);
  return DiskSpace{*bytes, 0};
}

absl::StatusOr<Nanoseconds> ParseSeconds(std::string_view text) {
  text = WithoutQuotes(text);
  if (text.empty()) return Nanoseconds{};
  if (auto duration = ParseDurationNs(text); duration.ok()) return Nanoseconds{*duration};
  auto seconds = ParseInt(text);
  if (!seconds.ok()) return Unknown("invalid duration ", text);
  // Wraps as the reference's does; such ages are no use either way.
  return Nanoseconds{static_cast<int64_t>(static_cast<uint64_t>(*seconds) * static_cast<uint64_t>(kNsPerSecond))};
}

const Value* Find(const Table& table, std::string_view key) {
  auto found = std::find_if(table.begin(), table.end(), [&](const auto& entry) { return entry.first == key; });
  return found == table.end() ? nullptr : &found->second;
}

}  // namespace bk::config
