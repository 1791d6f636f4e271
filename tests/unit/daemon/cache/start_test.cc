#include "snapshotter/meta/database.h"
#include "tests/unit/daemon/cache/store_fixture.h"
#include "tests/unit/support/scale.h"

using namespace bk;
using namespace bk::cache;

TEST_CASE("start: temporary files of a daemon that crashed are gone, the directory is there") {
  StoreFixture f;
  std::string tmp = f.dir.path() + "/tmp";
  REQUIRE(os::MakeDirs(tmp + "/bk-mount-x/deep", 0700).ok());
  f.store.reset();
  f.Open();
  CHECK(os::ListDir(tmp)->empty());
}

TEST_CASE("start: all of many records are there, with their keys") {
  StoreFixture f;
  f.Layer(nullptr, "a", "1");  // snapshot 1, which all rows name
  f.store.reset();
  {
    auto db = *meta::Database::Open(f.dir.path() + "/store.db");
    std::vector<meta::Statement> rows;
    for (int64_t i = 0; i < test::kLarge; i++) {
      std::string id = StrCat("record", i), key = StrCat("key", i);
      rows.push_back({"INSERT INTO records VALUES(?,'',1,1,0,'','',0,'','',4096,?,?,1,'RUN make','',0,'')", {id, i, i}});
      rows.push_back({"INSERT INTO links VALUES(?,0,0,'sha256:0123456789abcdef0123456789abcdef','',?)", {key, StrCat("key", i + 1)}});
      rows.push_back({"INSERT INTO results VALUES(?,?,?)", {key, id, i}});
    }
    REQUIRE(db->Write(std::move(rows)).ok());
  }
  f.Open();
  CHECK(f.manager().DiskUsage(f.cancel, {})->size() == test::kLarge + 1);
  CHECK(f.store->keys().Results(StrCat("key", test::kLarge - 1)).size() == 1);
}
