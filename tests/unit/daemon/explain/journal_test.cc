#include <doctest/doctest.h>

#include <cstdlib>

#include "base/os/file.h"
#include "daemon/explain/journal.h"

using namespace bk;
using namespace bk::explain;

namespace {

struct Bench {
  std::string dir = [] {
    char text[] = "/tmp/explain-XXXXXX";
    return std::string(mkdtemp(text));
  }();
  std::unique_ptr<meta::Database> db = *meta::Database::Open(dir + "/db");
  std::unique_ptr<Journal> journal = std::make_unique<Journal>(db.get());
  ~Bench() {
    journal.reset();
    db.reset();
    os::RemoveAll(dir).IgnoreError();
  }
  int64_t Count(const char* sql) {
    CHECK(db->Write({}).ok());
    int64_t count = -1;
    CHECK(db->Query(sql, {}, [&](const meta::Row& row) { count = row.Int(0); }).ok());
    return count;
  }
  void Build(int number, const std::string& content = "", int steps = 1) {
    v1::Build build;
    build.set_ref(StrCat("ref", number));
    build.set_completed_ns(1000 + number);
    for (int i = 0; i < steps; i++) {
      v1::Step* step = build.add_steps();
      step->set_identity(StrCat("step", i));
      step->set_name(std::string(500, 'n'));
      step->set_outcome(v1::Step::RAN);
      step->add_inputs()->set_content(content);
    }
    journal->Add(std::move(build));
  }
};

}  // namespace

TEST_CASE("the newest builds are kept, and the lists of files that they name") {
  Bench bench;
  CHECK_FALSE(bench.journal->KnowsFiles("old"));
  bench.journal->AddFiles("old", {});
  bench.journal->AddFiles("kept", {});
  CHECK(bench.Count("SELECT count(*) FROM explain_files") == 2);
  CHECK(bench.journal->KnowsFiles("old"));
  bench.Build(0, "old");
  for (int i = 1; i <= kMaxBuilds + 5; i++) bench.Build(i, "kept");
  CHECK(bench.Count("SELECT count(*) FROM explain_builds") == kMaxBuilds);
  CHECK(bench.Count("SELECT count(*) FROM explain_files") == 1);
  CHECK_FALSE(bench.journal->KnowsFiles("old"));  // to be listed again when it comes back
  CHECK(bench.journal->KnowsFiles("kept"));
  CHECK(bench.journal->Explain("", 0)->ref() == StrCat("ref", kMaxBuilds + 5));
  CHECK(bench.journal->Explain("ref20", 0)->ref() == "ref20");
  CHECK(bench.journal->Explain("ref20", 0)->steps(0).compared_with() == "ref19");
  CHECK(absl::IsNotFound(bench.journal->Explain("ref0", 0).status()));
}

TEST_CASE("a build that was removed is forgotten; with the last one there is nothing to explain") {
  Bench bench;
  bench.Build(1);
  bench.journal->Forget("ref1");
  CHECK(Message(bench.journal->Explain("", 0).status()).find("nothing to explain") != std::string::npos);
}

TEST_CASE("one build takes a bounded place, and says how much of it is missing") {
  Bench bench;
  bench.Build(1, "", 10'000);
  CHECK(bench.Count("SELECT length(bytes) FROM explain_builds") <= static_cast<int64_t>(kMaxBuildBytes) + 16);
  auto explained = bench.journal->Explain("", 0);
  REQUIRE(explained.ok());
  CHECK(explained->steps_size() > 100);
  CHECK(explained->steps_size() + explained->dropped_steps() == 10'000);
}

TEST_CASE("old builds go") {
  Bench bench;
  bench.Build(1);
  v1::Build late;
  late.set_ref("late");
  late.set_completed_ns(2000 + kMaxAgeNs);
  bench.journal->Add(late);
  CHECK(bench.Count("SELECT count(*) FROM explain_builds") == 1);
}
