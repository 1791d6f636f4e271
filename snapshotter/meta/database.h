// The store's one SQLite database (WAL): schema, migrations and the queue of what is to be written.
//
// A caller that waits for its write takes everything queued as one transaction, on its own thread; what is only posted is
// taken along, or by a thread of the database soon after. So a write costs no fsync (synchronous=NORMAL) and many cost one
// commit. What was committed survives the end of the process at any moment; only a power cut may take the last ones back,
// unless Sync was called; they are cache misses then. Thread-safe; statements are prepared once. Format: docs/store.md.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <unordered_map>
#include <variant>
#include <vector>

#include "base/guarded.h"
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

// One statement with its values. `sql` is a literal: statements are kept by its address.
struct Statement {
  const char* sql;
  std::vector<Value> values;
};

class Database {
 public:
  // Opens or makes the file and brings its schema up to date. A damaged file is set aside ("….damaged") and a new one
  // begun: the store is a cache. FailedPrecondition for a schema of a later version.
  static absl::StatusOr<std::unique_ptr<Database>> Open(const std::string& path);
  // Commits what is queued.
  ~Database();

  // All of them or none; committed when it returns. One caller's writes keep their order, posted ones too.
  absl::Status Write(std::vector<Statement> statements);
  absl::Status Run(const char* sql, std::vector<Value> values = {});
  // The same without waiting: for what may be lost with the process (committed within some 50 ms). Errors are logged.
  void Post(std::vector<Statement> statements);
  // Reads on the calling thread, after everything queued; `row` must not use the database.
  absl::Status Query(const char* sql, const std::vector<Value>& values, const std::function<void(const Row&)>& row);
  // Makes everything committed so far durable against a power cut.
  absl::Status Sync();

 private:
  struct Batch {
    std::vector<Statement> statements;
    bool sync = false;  // write the log back to the file, with fsync
    absl::Status* result = nullptr;  // null: nobody waits
    bool* done = nullptr;            // under mutex_
  };
  struct Queue {
    std::deque<Batch> batches;
    bool checkpoint = false;  // the log is long enough
    bool stop = false;
  };
  Database() = default;
  absl::Status Init(const std::string& path);
  absl::Status Migrate(const std::string& path);
  absl::Status Exec(const char* sql);
  absl::StatusOr<sqlite3_stmt*> Prepare(const char* sql, const std::vector<Value>& values);
  absl::Status Step(const char* sql, const std::vector<Value>& values, const std::function<void(const Row&)>& row);
  absl::Status Wait(Batch batch);
  void WriteLoop();
  // These hold mutex_, which is taken before the queue's lock.
  void CommitQueued();
  void Commit(std::deque<Batch>& batches);
  // Moves the log into the database file, with fsync. Writers do not wait for it unless one asked for Sync (`must`).
  void Checkpoint(bool must, absl::Status& status);

  std::mutex mutex_;  // of the connection
  sqlite3* db_ = nullptr;
  int log_pages_ = 0;  // in the log, not yet in the file
  std::unordered_map<const char*, sqlite3_stmt*> statements_;
  Guarded<Queue> queue_;
  std::thread writer_;
};

}  // namespace bk::meta
