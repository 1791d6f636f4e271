// The store's one SQLite database (WAL). A commit costs no fsync (synchronous=NORMAL): what was committed survives the
// end of the process at any moment; only a power cut may take the last transactions back, which are then cache misses.
//
// Thread-safe: one connection under one lock; statements are prepared once and kept. Format: docs/store.md.
#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_map>
#include <variant>
#include <vector>

#include "base/status.h"

struct sqlite3;
struct sqlite3_stmt;

namespace bk::meta {

using Value = std::variant<int64_t, std::string>;

// A row being read; columns from 0.
class Row {
 public:
  explicit Row(sqlite3_stmt* statement) : statement_(statement) {}
  int64_t Int(int column) const;
  std::string Text(int column) const;

 private:
  sqlite3_stmt* statement_;
};

class Database {
 public:
  // Opens or makes the file and brings its schema up to date. A damaged file is set aside ("….damaged") and a new one
  // begun: the store is a cache.
  static absl::StatusOr<std::unique_ptr<Database>> Open(const std::string& path);
  ~Database();

  absl::Status Run(const char* sql, const std::vector<Value>& values = {});
  absl::Status Query(const char* sql, const std::vector<Value>& values, const std::function<void(const Row&)>& row);
  // All of `body`'s statements or none of them.
  absl::Status Transaction(const std::function<absl::Status()>& body);

 private:
  Database() = default;
  absl::Status Init(const std::string& path);
  absl::StatusOr<sqlite3_stmt*> Prepare(const char* sql, const std::vector<Value>& values);
  std::recursive_mutex mutex_;
  sqlite3* db_ = nullptr;
  std::unordered_map<const char*, sqlite3_stmt*> statements_;  // by the literal's address
};

}  // namespace bk::meta
