// Values of a configuration file, checked for their types but not yet for their meaning.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "base/status.h"
#include "daemon/config/config.h"

namespace bk::config {

// Percentages give whole GiB plus one, counted as 10^9 bytes; 2 * 10^9 where the disk's size is not known.
int64_t BytesOf(const DiskSpace& space, int64_t disk_total_bytes);
// "10GB" (powers of 1024), "10%", "" (nothing). Unknown ("invalid disk space x").
absl::StatusOr<DiskSpace> ParseDiskSpace(std::string_view text);

struct Nanoseconds {
  int64_t ns = 0;
  bool operator==(const Nanoseconds&) const = default;
};
// "1h30m", or a number of seconds. Unknown ("invalid duration x").
absl::StatusOr<Nanoseconds> ParseSeconds(std::string_view text);

struct Json {  // a value of any type, which nothing here reads
  std::string text;
};

struct Value;
using Table = std::vector<std::pair<std::string, Value>>;  // keys spelled as in the table of keys
using StringMap = std::map<std::string, std::string>;

struct Value {
  std::variant<bool, int64_t, std::string, std::vector<std::string>, StringMap, DiskSpace, Nanoseconds, Json, Table, std::vector<Table>> data;
};

// The value of a key; null when it is not set.
const Value* Find(const Table& table, std::string_view key);
template <typename T>
const T* Get(const Table& table, std::string_view key) {
  const Value* value = Find(table, key);
  return value == nullptr ? nullptr : std::get_if<T>(&value->data);
}

}  // namespace bk::config
