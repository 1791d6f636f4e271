#include "snapshotter/meta/database.h"

#include <sqlite3.h>
#include <sys/stat.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <iterator>
#include <utility>

#include "base/log.h"

namespace bk::meta {
namespace {

// Statement lists by version: a database of version N gets those from index N on. Never edit one that was released.
constexpr const char* kMigrations[] = {
    R"(
CREATE TABLE records(id TEXT PRIMARY KEY, parent TEXT, snapshot INTEGER, state INTEGER, kind INTEGER, media_type TEXT, blob TEXT,
  blob_size INTEGER, diff_id TEXT, chain_id TEXT, size INTEGER, created INTEGER, used INTEGER, usage_count INTEGER, description TEXT, lookup TEXT,
  retained INTEGER, twin TEXT);
CREATE TABLE record_values(id TEXT, key TEXT, value TEXT, PRIMARY KEY(id, key)) WITHOUT ROWID;
CREATE TABLE content_hashes(id TEXT PRIMARY KEY, bytes BLOB);
CREATE TABLE links(id TEXT, input INTEGER, output INTEGER, digest TEXT, selector TEXT, target TEXT,
  PRIMARY KEY(id, input, output, digest, selector, target)) WITHOUT ROWID;
CREATE TABLE results(id TEXT, result TEXT, created INTEGER, PRIMARY KEY(id, result)) WITHOUT ROWID;
CREATE INDEX results_by_result ON results(result);
CREATE TABLE leases(id TEXT, digest TEXT, PRIMARY KEY(id, digest)) WITHOUT ROWID;
)",
    R"(
CREATE TABLE known_values(name TEXT, value TEXT, used INTEGER, PRIMARY KEY(name, value)) WITHOUT ROWID;
)",
    R"(
CREATE TABLE builds(ref TEXT PRIMARY KEY, completed INTEGER, pinned INTEGER, record BLOB);
)",
    R"(
CREATE TABLE explain_builds(ref TEXT PRIMARY KEY, completed INTEGER, bytes BLOB);
CREATE TABLE explain_files(content TEXT PRIMARY KEY, used INTEGER, bytes BLOB);
CREATE TABLE explain_removed(id TEXT PRIMARY KEY, removed INTEGER) WITHOUT ROWID;
)",
};
constexpr int kSchemaVersion = std::size(kMigrations);
// Pages in the log after which an idle writer moves them into the file (that costs an fsync, on its own thread).
constexpr int kCheckpointPages = 1000;
// What is posted waits so long for a caller that waits, unless so many batches do.
constexpr std::chrono::milliseconds kPostDelay(50);
constexpr size_t kPostsAtOnce = 64;

// The error of the last call. DataLoss: the file is not a sound database.
absl::Status LastError(sqlite3* db) {
  int code = sqlite3_errcode(db) & 0xff;
  auto kind = code == SQLITE_CORRUPT || code == SQLITE_NOTADB ? absl::StatusCode::kDataLoss
              : code == SQLITE_FULL                           ? absl::StatusCode::kResourceExhausted
                                                              : absl::StatusCode::kInternal;
  return bk::Error(kind, "sqlite: ", std::string_view(sqlite3_errmsg(db)));
}

}  // namespace

int64_t Row::Int(int column) const { return sqlite3_column_int64(statement_, column); }

std::string Row::Text(int column) const {
  auto* text = static_cast<const char*>(sqlite3_column_blob(statement_, column));
  return text == nullptr ? "" : std::string(text, static_cast<size_t>(sqlite3_column_bytes(statement_, column)));
}

absl::StatusOr<std::unique_ptr<Database>> Database::Open(const std::string& path) {
  for (bool again : {true, false}) {
    std::unique_ptr<Database> database(new Database());
    absl::Status status = database->Init(path);
    if (status.ok()) return database;
    if (!again || status.code() != absl::StatusCode::kDataLoss) return status;
    log::Warning("the store's database is damaged and set aside", {{"path", path}, {"error", Message(status)}});
    database.reset();
    std::rename(path.c_str(), (path + ".damaged").c_str());
    unlink((path + "-wal").c_str());
    unlink((path + "-shm").c_str());
  }
  return Internal("cannot happen");
}

absl::Status Database::Exec(const char* sql) {
  if (sqlite3_exec(db_, sql, nullptr, nullptr, nullptr) == SQLITE_OK) return absl::OkStatus();
  return LastError(db_);
}

absl::Status Database::Init(const std::string& path) {
  if (sqlite3_open_v2(path.c_str(), &db_, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX, nullptr) != SQLITE_OK) {
    return Unknown("open ", path, ": ", std::string_view(sqlite3_errmsg(db_)));
  }
  // An empty file has nothing to lose: nothing waits for the disk until the tables stand.
  if (struct stat st; stat(path.c_str(), &st) == 0 && st.st_size == 0) BK_RETURN_IF_ERROR(Exec("PRAGMA synchronous=OFF;"));
  BK_RETURN_IF_ERROR(Exec("PRAGMA locking_mode=EXCLUSIVE; PRAGMA journal_mode=WAL; PRAGMA cache_size=-4000; PRAGMA wal_autocheckpoint=0;"));
  BK_RETURN_IF_ERROR(Migrate(path));
  BK_RETURN_IF_ERROR(Exec("PRAGMA synchronous=NORMAL;"));
  sqlite3_wal_hook(
      db_,
      [](void* self, sqlite3*, const char*, int pages) {
        static_cast<Database*>(self)->log_pages_ = pages;
        return SQLITE_OK;
      },
      this);
  writer_ = std::thread([this] { WriteLoop(); });
  return absl::OkStatus();
}

absl::Status Database::Migrate(const std::string& path) {
  int64_t version = -1;
  BK_RETURN_IF_ERROR(Query("PRAGMA user_version", {}, [&](const Row& row) { version = row.Int(0); }));
  if (version > kSchemaVersion) return FailedPrecondition("database ", path, " has schema version ", version, ", this program knows ", kSchemaVersion, " (use the newer program, or another --root)");
  for (; version < kSchemaVersion; version++) {
    BK_RETURN_IF_ERROR(Exec(StrCat("BEGIN;", std::string_view(kMigrations[version]), "PRAGMA user_version=", version + 1, ";COMMIT;").c_str()));
  }
  return absl::OkStatus();
}

Database::~Database() {
  if (writer_.joinable()) {
    queue_.Change([](Queue& q) { q.stop = true; });
    writer_.join();
  }
  for (auto& [sql, statement] : statements_) sqlite3_finalize(statement);
  sqlite3_close(db_);
}

absl::StatusOr<sqlite3_stmt*> Database::Prepare(const char* sql, const std::vector<Value>& values) {
  sqlite3_stmt*& statement = statements_[sql];
  if (statement == nullptr && sqlite3_prepare_v3(db_, sql, -1, SQLITE_PREPARE_PERSISTENT, &statement, nullptr) != SQLITE_OK) {
    return LastError(db_);
  }
  for (size_t i = 0; i < values.size(); i++) {
    int index = static_cast<int>(i) + 1;
    if (auto* number = std::get_if<int64_t>(&values[i])) {
      sqlite3_bind_int64(statement, index, *number);
    } else {
      const std::string& text = std::get<std::string>(values[i]);
      sqlite3_bind_text(statement, index, text.data(), static_cast<int>(text.size()), SQLITE_TRANSIENT);
    }
  }
  return statement;
}

absl::Status Database::Step(const char* sql, const std::vector<Value>& values, const std::function<void(const Row&)>& row) {
  BK_TRY(sqlite3_stmt * statement, Prepare(sql, values));
  int result;
  while ((result = sqlite3_step(statement)) == SQLITE_ROW) row(Row(statement));
  absl::Status status = result == SQLITE_DONE ? absl::OkStatus() : LastError(db_);
  sqlite3_reset(statement);
  sqlite3_clear_bindings(statement);
  return status;
}

absl::Status Database::Query(const char* sql, const std::vector<Value>& values, const std::function<void(const Row&)>& row) {
  std::lock_guard lock(mutex_);
  CommitQueued();
  return Step(sql, values, row);
}

// Whoever waits commits what is queued, with the batches of others, whose turn comes only to find that they are done.
absl::Status Database::Wait(Batch batch) {
  absl::Status result;
  bool done = false;
  batch.result = &result;
  batch.done = &done;
  queue_.With([&](Queue& q) { q.batches.push_back(std::move(batch)); });
  std::lock_guard lock(mutex_);
  if (!done) CommitQueued();
  return result;
}

absl::Status Database::Write(std::vector<Statement> statements) { return Wait({std::move(statements)}); }

absl::Status Database::Run(const char* sql, std::vector<Value> values) {
  std::vector<Statement> one;
  one.push_back({sql, std::move(values)});
  return Write(std::move(one));
}

void Database::Post(std::vector<Statement> statements) {
  size_t count = queue_.With([&](Queue& q) {
    q.batches.push_back({std::move(statements)});
    return q.batches.size();
  });
  if (count == 1 || count == kPostsAtOnce) queue_.NotifyAll();
}

absl::Status Database::Sync() {
  Batch batch;
  batch.sync = true;
  return Wait(std::move(batch));
}

void Database::WriteLoop() {
  while (true) {
    queue_.Wait([](const Queue& q) { return q.stop || q.checkpoint || !q.batches.empty(); });
    // What was posted waits for a caller that commits it together with its own.
    queue_.WaitFor(kPostDelay, [](const Queue& q) { return q.stop || q.checkpoint || q.batches.size() >= kPostsAtOnce; });
    bool stop = queue_.With([](Queue& q) {
      q.checkpoint = false;
      return q.stop;
    });
    std::lock_guard lock(mutex_);
    CommitQueued();
    absl::Status ignored;
    if (log_pages_ > kCheckpointPages) Checkpoint(false, ignored);
    if (stop) return;
  }
}

void Database::CommitQueued() {
  std::deque<Batch> batches = queue_.With([](Queue& q) { return std::exchange(q.batches, {}); });
  if (batches.empty()) return;
  Commit(batches);
  for (Batch& batch : batches) {
    if (batch.done != nullptr) *batch.done = true;
  }
  if (log_pages_ > kCheckpointPages) queue_.Change([](Queue& q) { q.checkpoint = true; });
}

void Database::Checkpoint(bool must, absl::Status& status) {
  int result = sqlite3_wal_checkpoint_v2(db_, nullptr, SQLITE_CHECKPOINT_TRUNCATE, nullptr, nullptr);
  if (result == SQLITE_OK) log_pages_ = 0;
  if (must && result != SQLITE_OK && status.ok()) status = Internal("sqlite: checkpoint: ", std::string_view(sqlite3_errmsg(db_)));
}

// One transaction; a savepoint a batch, so that one that fails takes nothing else with it.
void Database::Commit(std::deque<Batch>& batches) {
  const auto ignore = [](const Row&) {};
  bool sync = false;
  std::vector<absl::Status> results(batches.size());
  absl::Status all = Step("BEGIN IMMEDIATE", {}, ignore);
  for (size_t i = 0; all.ok() && i < batches.size(); i++) {
    sync |= batches[i].sync;
    all = Step("SAVEPOINT one", {}, ignore);
    for (const Statement& statement : batches[i].statements) {
      if (results[i].ok()) results[i] = Step(statement.sql, statement.values, ignore);
    }
    if (all.ok() && !results[i].ok()) all = Step("ROLLBACK TO one", {}, ignore);
    if (all.ok()) all = Step("RELEASE one", {}, ignore);
  }
  if (all.ok()) all = Step("COMMIT", {}, ignore);
  if (!all.ok()) Exec("ROLLBACK").IgnoreError();
  if (sync) Checkpoint(true, all);
  for (size_t i = 0; i < batches.size(); i++) {
    absl::Status status = all.ok() ? results[i] : all;
    if (batches[i].result != nullptr) {
      *batches[i].result = status;
    } else if (!status.ok()) {
      log::Warning("a change of the store was not written", {{"error", Message(status)}});
    }
  }
}

}  // namespace bk::meta
