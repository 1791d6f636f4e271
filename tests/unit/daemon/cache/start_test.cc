#include <ctime>

#include "snapshotter/meta/database.h"
#include "tests/unit/daemon/cache/store_fixture.h"

using namespace bk;
using namespace bk::cache;

TEST_CASE("start: 100,000 records with their keys are there soon") {
  StoreFixture f;
  f.Layer(nullptr, "a", "1");  // snapshot 1, which all rows name
  f.store.reset();
  {
    auto db = *meta::Database::Open(f.dir.path() + "/store.db");
    std::vector<meta::Statement> rows;
    for (int64_t i = 0; i < 100000; i++) {
      std::string id = StrCat("record", i), key = StrCat("key", i);
      rows.push_back({"INSERT INTO records VALUES(?,'',1,1,0,'','',0,'','',4096,?,?,1,'RUN make','',0,'')", {id, i, i}});
      rows.push_back({"INSERT INTO links VALUES(?,0,0,'sha256:0123456789abcdef0123456789abcdef','',?)", {key, StrCat("key", i + 1)}});
      rows.push_back({"INSERT INTO results VALUES(?,?,?)", {key, id, i}});
    }
    REQUIRE(db->Write(std::move(rows)).ok());
  }
  clock_t begin = clock();  // processor time: other work on the machine does not count
  f.Open();
  int64_t spent_ms = static_cast<int64_t>(clock() - begin) * 1000 / CLOCKS_PER_SEC;
  MESSAGE("opened in ", spent_ms, " ms");
  CHECK(spent_ms < 4000);  // unoptimised and with sanitizers; a release build stays below 1000
  CHECK(f.manager().DiskUsage(f.cancel, {})->size() == 100001);
  CHECK(f.store->keys().Results("key99999").size() == 1);
}
