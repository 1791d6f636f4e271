#include <doctest/doctest.h>

#include "base/os/file.h"
#include "snapshotter/meta/database.h"

using namespace bk;
using namespace bk::meta;

namespace {

int64_t Count(Database& db) {
  int64_t count = -1;
  REQUIRE(db.Query("SELECT count(*) FROM leases", {}, [&](const Row& row) { count = row.Int(0); }).ok());
  return count;
}

}  // namespace

TEST_CASE("a list of statements is written as a whole or not at all, and takes no other one with it") {  // INF-011
  os::TempDir dir = *os::TempDir::Make("database-test-");
  auto db = *Database::Open(dir.path() + "/db");
  db->Post({{"INSERT INTO leases VALUES('a','1')", {}}});
  CHECK_FALSE(db->Write({{"INSERT INTO leases VALUES('b','2')", {}}, {"INSERT INTO leases VALUES('a','1')", {}}}).ok());
  CHECK(Count(*db) == 1);
  CHECK(db->Run("INSERT INTO leases VALUES(?,?)", {"c", "3"}).ok());
  CHECK(db->Sync().ok());
  db.reset();
  db = *Database::Open(dir.path() + "/db");
  CHECK(Count(*db) == 2);
}

TEST_CASE("a damaged file is set aside, one of a later program is refused") {
  os::TempDir dir = *os::TempDir::Make("database-test-");
  std::string path = dir.path() + "/db";
  REQUIRE(os::WriteFile(path, std::string(8192, 'x'), 0600).ok());
  {
    auto db = Database::Open(path);
    REQUIRE(db.ok());
    CHECK(Count(**db) == 0);
    CHECK(os::Exists(path + ".damaged"));
    REQUIRE((*db)->Query("PRAGMA user_version=999", {}, [](const Row&) {}).ok());
  }
  CHECK(Database::Open(path).status().code() == absl::StatusCode::kFailedPrecondition);
}
