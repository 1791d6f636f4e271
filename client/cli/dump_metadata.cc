#include "client/cli/dump_metadata.h"

#include <fcntl.h>
#include <sqlite3.h>
#include <sys/file.h>

#include <filesystem>
#include <memory>

#include "base/os/file.h"
#include "client/cli/verbs.h"
#include "client/progress/terminal.h"

namespace bk::client {
namespace {

constexpr char kRoot[] = "/var/lib/buildkit", kDatabase[] = "store.db", kLock[] = "buildkitd.lock";

using Handle = std::unique_ptr<sqlite3, int (*)(sqlite3*)>;
using Statement = std::unique_ptr<sqlite3_stmt, int (*)(sqlite3_stmt*)>;

absl::Status ErrorOf(sqlite3* db, const std::string& path) {
  return InvalidArgument("cannot read ", path, ": ", sqlite3_errmsg(db));
}

absl::StatusOr<Statement> Prepare(sqlite3* db, const std::string& path, const std::string& sql) {
  sqlite3_stmt* raw = nullptr;
  if (sqlite3_prepare_v2(db, sql.c_str(), -1, &raw, nullptr) != SQLITE_OK) return ErrorOf(db, path);
  return Statement(raw, &sqlite3_finalize);
}

std::string Cell(sqlite3_stmt* row, int column) {
  if (sqlite3_column_type(row, column) == SQLITE_NULL) return "null";
  const void* bytes = sqlite3_column_blob(row, column);
  std::string text(static_cast<const char*>(bytes), bytes == nullptr ? 0 : sqlite3_column_bytes(row, column));
  int type = sqlite3_column_type(row, column);
  return type == SQLITE_TEXT || type == SQLITE_BLOB ? Quote(text) : text;
}

absl::Status DumpTable(sqlite3* db, const std::string& path, const std::string& table, std::string& out) {
  std::string quoted = "\"";
  for (char c : table) quoted += c == '"' ? "\"\"" : std::string(1, c);
  BK_TRY(Statement rows, Prepare(db, path, "SELECT * FROM " + quoted + "\""));
  out += StrCat("bucket ", Quote(table), ":\n");
  int code;
  while ((code = sqlite3_step(rows.get())) == SQLITE_ROW) {
    std::string line;
    for (int i = 0; i < sqlite3_column_count(rows.get()); i++) {
      std::string cell = Cell(rows.get(), i);
      line += i == 0 ? StrCat("  ", cell, ":") : StrCat(" ", sqlite3_column_name(rows.get(), i), "=", cell);
    }
    out += line + "\n";
  }
  return code == SQLITE_DONE ? absl::OkStatus() : ErrorOf(db, path);
}

absl::Status Run(const flags::Values& values) {
  std::string path = StrCat(values.String("root"), "/", kDatabase);
  BK_RETURN_IF_ERROR(os::ListDir(values.String("root")));
  if (!os::Exists(path)) return absl::OkStatus();  // a daemon never ran there
  BK_TRY(std::string text, DumpDatabase(path));
  Print(stdout, StrCat("===== ", path, " =====\n", text));
  return absl::OkStatus();
}

// Held as long as it is read; none where no daemon ever ran.
absl::StatusOr<os::UniqueFd> KeepDaemonsAway(const std::string& path) {
  std::string lock = os::JoinPath(os::DirName(path), kLock);
  if (!os::Exists(lock)) return os::UniqueFd();
  BK_TRY(os::UniqueFd fd, os::Open(lock, O_RDONLY));
  if (flock(fd.get(), LOCK_SH | LOCK_NB) != 0) return FailedPrecondition(path, " is in use: end the daemon first");
  return fd;
}

absl::Status CopyFile(const std::string& from, const std::string& to) {
  std::error_code error;
  std::filesystem::copy_file(from, to, error);
  return error ? ErrnoError(error.value(), StrCat("copy ", from)) : absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::string> DumpDatabase(const std::string& path) {
  BK_TRY(os::UniqueFd lock, KeepDaemonsAway(path));
  BK_TRY(os::TempDir dir, os::TempDir::Make("dump-"));
  const std::string copy = os::JoinPath(dir.path(), kDatabase);
  BK_RETURN_IF_ERROR(CopyFile(path, copy));
  if (os::Exists(path + "-wal")) BK_RETURN_IF_ERROR(CopyFile(path + "-wal", copy + "-wal"));  // what a killed daemon left in its log
  sqlite3* raw = nullptr;
  int opened = sqlite3_open_v2(copy.c_str(), &raw, SQLITE_OPEN_READWRITE, nullptr);
  Handle db(raw, &sqlite3_close);
  if (opened != SQLITE_OK) return ErrorOf(raw, path);
  BK_TRY(Statement tables, Prepare(raw, path, "SELECT name FROM sqlite_schema WHERE type='table' AND name NOT LIKE 'sqlite_%' ORDER BY name"));
  std::string out;
  int code;
  while ((code = sqlite3_step(tables.get())) == SQLITE_ROW) {
    std::string name = reinterpret_cast<const char*>(sqlite3_column_text(tables.get(), 0));
    BK_RETURN_IF_ERROR(DumpTable(raw, path, name, out));
  }
  if (code != SQLITE_DONE) return ErrorOf(raw, path);
  return out;
}

flags::Command MakeDumpMetadata() {
  flags::Command command{"dump-metadata", {}, "dump the meta in human-readable format.  This command requires the daemon NOT to be running."};
  command.flags = {{"root", flags::Kind::kString, "path to state directory", {}, kRoot}};
  command.action = &Run;
  return command;
}

}  // namespace bk::client
