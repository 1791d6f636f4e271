#include <doctest/doctest.h>

#include <thread>
#include <vector>

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

TEST_CASE("what was posted is there for the next query, and reaches the file without anybody waiting") {
  os::TempDir dir = *os::TempDir::Make("database-test-");
  auto db = *Database::Open(dir.path() + "/db");
  for (int i = 0; i < 10; i++) db->Post({{"INSERT INTO leases VALUES(?,'1')", {std::to_string(i)}}});
  CHECK(Count(*db) == 10);
  auto log = [&] { return *os::ReadFile(dir.path() + "/db-wal"); };
  std::string before = log();
  db->Post({{"INSERT INTO leases VALUES('last','1')", {}}});
  int tries = 0;
  while (log() == before && ++tries < 1000) std::this_thread::sleep_for(std::chrono::milliseconds(10));
  CHECK(tries < 1000);
}

TEST_CASE("writes of many threads all stand when they return, each thread's in its order") {
  os::TempDir dir = *os::TempDir::Make("database-test-");
  auto db = *Database::Open(dir.path() + "/db");
  constexpr int kThreads = 8, kWrites = 100;
  std::vector<std::thread> threads;
  std::vector<int> failed(kThreads);
  for (int t = 0; t < kThreads; t++) {
    threads.emplace_back([&, t] {
      std::string id = std::to_string(t);
      for (int i = 0; i < kWrites; i++) {
        std::string number = std::to_string(i);
        db->Post({{"INSERT INTO leases VALUES(?,?)", {id, "posted"}}});
        bool one = db->Run("UPDATE leases SET digest=? WHERE id=? AND digest='posted'", {number, id}).ok();
        bool found = false;
        one &= db->Query("SELECT 1 FROM leases WHERE id=? AND digest=?", {id, number}, [&](const Row&) { found = true; }).ok();
        failed[t] += !one || !found;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (int of : failed) CHECK(of == 0);
  CHECK(Count(*db) == kThreads * kWrites);
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
