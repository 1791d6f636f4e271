#include "snapshotter/meta/database.h"

#include <sqlite3.h>
#include <unistd.h>

#include <cstdio>

#include "base/log.h"

namespace bk::meta {
namespace {

constexpr int kSchemaVersion = 1;
constexpr char kSchema[] = R"(
CREATE TABLE records(id TEXT PRIMARY KEY, parent TEXT, snapshot INTEGER, state INTEGER, kind INTEGER, media_type TEXT, blob TEXT,
  blob_size INTEGER, diff_id TEXT, chain_id TEXT, size INTEGER, created INTEGER, used INTEGER, usage_count INTEGER, description TEXT, lookup TEXT, retained INTEGER);
CREATE TABLE record_values(id TEXT, key TEXT, value TEXT, PRIMARY KEY(id, key)) WITHOUT ROWID;
CREATE TABLE links(id TEXT, input INTEGER, output INTEGER, digest TEXT, selector TEXT, target TEXT,
  PRIMARY KEY(id, input, output, digest, selector, target)) WITHOUT ROWID;
CREATE TABLE results(id TEXT, result TEXT, created INTEGER, PRIMARY KEY(id, result)) WITHOUT ROWID;
CREATE INDEX results_by_result ON results(result);
)";

}  // namespace

int64_t Row::Int(int column) const { return sqlite3_column_int64(statement_, column); }

std::string Row::Text(int column) const {
  auto* text = reinterpret_cast<const char*>(sqlite3_column_text(statement_, column));
  return text == nullptr ? "" : std::string(text, static_cast<size_t>(sqlite3_column_bytes(statement_, column)));
}

absl::StatusOr<std::unique_ptr<Database>> Database::Open(const std::string& path) {
  for (bool again : {true, false}) {
    std::unique_ptr<Database> database(new Database());
    absl::Status status = database->Init(path);
    if (status.ok()) return database;
    if (!again) return status;
    log::Warning("the store's database is damaged and set aside", {{"path", path}, {"error", Message(status)}});
    database.reset();
    std::rename(path.c_str(), (path + ".damaged").c_str());
    unlink((path + "-wal").c_str());
    unlink((path + "-shm").c_str());
  }
  return Internal("cannot happen");
}

absl::Status Database::Init(const std::string& path) {
  if (sqlite3_open_v2(path.c_str(), &db_, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX, nullptr) != SQLITE_OK) {
    return Unknown("open ", path, ": ", std::string_view(sqlite3_errmsg(db_)));
  }
  sqlite3_exec(db_, "PRAGMA locking_mode=EXCLUSIVE; PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA cache_size=-4000;", nullptr, nullptr, nullptr);
  int64_t version = -1;
  BK_RETURN_IF_ERROR(Query("PRAGMA user_version", {}, [&](const Row& row) { version = row.Int(0); }));
  if (version == kSchemaVersion) return absl::OkStatus();
  if (version != 0) return FailedPrecondition("database ", path, " has schema version ", version, ", not ", kSchemaVersion);
  std::string sql = StrCat("BEGIN;", std::string_view(kSchema), "PRAGMA user_version=", kSchemaVersion, ";COMMIT;");
  if (sqlite3_exec(db_, sql.c_str(), nullptr, nullptr, nullptr) != SQLITE_OK) return Unknown("make schema: ", std::string_view(sqlite3_errmsg(db_)));
  return absl::OkStatus();
}

Database::~Database() {
  for (auto& [sql, statement] : statements_) sqlite3_finalize(statement);
  sqlite3_close(db_);
}

absl::StatusOr<sqlite3_stmt*> Database::Prepare(const char* sql, const std::vector<Value>& values) {
  sqlite3_stmt*& statement = statements_[sql];
  if (statement == nullptr && sqlite3_prepare_v3(db_, sql, -1, SQLITE_PREPARE_PERSISTENT, &statement, nullptr) != SQLITE_OK) {
    return Internal("sqlite: ", std::string_view(sqlite3_errmsg(db_)), " in ", std::string_view(sql));
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

absl::Status Database::Run(const char* sql, const std::vector<Value>& values) {
  return Query(sql, values, [](const Row&) {});
}

absl::Status Database::Query(const char* sql, const std::vector<Value>& values, const std::function<void(const Row&)>& row) {
  std::lock_guard lock(mutex_);
  BK_TRY(sqlite3_stmt * statement, Prepare(sql, values));
  int result;
  while ((result = sqlite3_step(statement)) == SQLITE_ROW) row(Row(statement));
  absl::Status status;
  if (result != SQLITE_DONE) {
    auto code = (result & 0xff) == SQLITE_FULL ? absl::StatusCode::kResourceExhausted : absl::StatusCode::kInternal;
    status = bk::Error(code, "sqlite: ", std::string_view(sqlite3_errmsg(db_)));
  }
  sqlite3_reset(statement);
  sqlite3_clear_bindings(statement);
  return status;
}

absl::Status Database::Transaction(const std::function<absl::Status()>& body) {
  std::lock_guard lock(mutex_);
  BK_RETURN_IF_ERROR(Run("BEGIN IMMEDIATE"));
  absl::Status status = body();
  absl::Status end = Run(status.ok() ? "COMMIT" : "ROLLBACK");
  return status.ok() ? end : status;
}

}  // namespace bk::meta
