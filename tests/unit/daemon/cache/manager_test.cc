#include "tests/unit/daemon/cache/store_fixture.h"

using namespace bk;
using namespace bk::cache;

namespace {

NewOptions Retained() {
  NewOptions options;
  options.retain = true;
  return options;
}

std::vector<UsageRecord> Usage(StoreFixture& f) { return *f.manager().DiskUsage(f.cancel, {}); }

int64_t Total(StoreFixture& f) {
  int64_t total = 0;
  for (const UsageRecord& record : Usage(f)) total += record.size_bytes;
  return total;
}

std::vector<UsageRecord> Prune(StoreFixture& f, const PruneOptions& options) {
  std::vector<UsageRecord> removed;
  absl::Status status = f.manager().Prune(f.cancel, {options}, [&](const UsageRecord& record) { removed.push_back(record); });
  REQUIRE(status.ok());
  return removed;
}

}  // namespace

TEST_CASE("a dropped tree leaves nothing") {
  StoreFixture f;
  f.New(nullptr, "a", "1");
  CHECK(f.Snapshots() == 0);
  CHECK(f.manager().DiskUsage(f.cancel, {})->empty());
}

TEST_CASE("a tree dropped while mounted goes with its last mount") {
  StoreFixture f;
  MutablePtr tree = f.New(nullptr, "a", "1");
  auto active = tree->Mount(f.cancel, {}, false);
  tree.reset();
  CHECK(f.Snapshots() == 1);
  active->reset();
  CHECK(f.Snapshots() == 0);
}

TEST_CASE("prune frees what du listed, parents after children") {  // SNP-023
  StoreFixture f;
  {
    ImmutablePtr base = f.Layer(nullptr, "a", std::string(100000, 'a'));
    ImmutablePtr top = f.Layer(base, "b", std::string(200000, 'b'));
    REQUIRE(top->Layers(f.cancel, {}, {}, true).ok());
  }
  CHECK(f.Blobs() == 2);
  int64_t listed = Total(f), freed = 0;
  CHECK(listed >= 300000);
  std::vector<UsageRecord> removed = Prune(f, {});
  for (const UsageRecord& record : removed) freed += record.size_bytes;
  REQUIRE(removed.size() == 2);
  CHECK(removed[1].id == removed[0].parents[0]);
  CHECK(freed == listed);
  CHECK(f.Snapshots() == 0);
  CHECK(f.Blobs() == 0);
}

TEST_CASE("prune leaves what is in use, and parents of it") {
  StoreFixture f;
  ImmutablePtr top = f.Layer(f.Layer(nullptr, "a", "1"), "b", "2");
  f.Layer(nullptr, "c", "3");
  CHECK(Prune(f, {}).size() == 1);
  for (const UsageRecord& record : Usage(f)) CHECK(record.in_use);
}

TEST_CASE("prune with a limit stops when the total is below it, least used first") {
  StoreFixture f;
  std::string often = f.Layer(nullptr, "a", std::string(100000, 'a'))->Id();
  for (int i = 0; i < 3; i++) REQUIRE(f.manager().Get(f.cancel, often).ok());
  std::string seldom = f.Layer(nullptr, "b", std::string(100000, 'b'))->Id();
  for (int i = 0; i < 2; i++) REQUIRE(f.manager().Get(f.cancel, often).ok());
  PruneOptions options;
  options.max_used_bytes = Total(f) - 1;
  std::vector<UsageRecord> removed = Prune(f, options);
  REQUIRE(removed.size() == 1);
  CHECK(removed[0].id == seldom);
}

TEST_CASE("prune keeps internal records unless all are asked for, and recently used ones") {
  StoreFixture f;
  NewOptions internal;
  internal.type = RecordType::kInternal;
  REQUIRE(f.New(nullptr, "a", "1", internal)->Commit(f.cancel).ok());
  CHECK(Prune(f, {}).empty());
  PruneOptions options;
  options.all = true;
  options.keep_duration_ns = 3600'000'000'000;
  CHECK(Prune(f, options).empty());
  options.keep_duration_ns = 0;
  CHECK(Prune(f, options).size() == 1);
}

TEST_CASE("prune of everything leaves no blob that nobody holds, and no kept image") {  // CAC-041
  StoreFixture f;
  content::ContentStore& content = f.store->content();
  Digest orphan = DigestOf("orphan"), kept = DigestOf("kept"), exported = DigestOf("exported");
  for (const char* text : {"orphan", "kept", "exported"}) REQUIRE(content.Put(text, DigestOf(text)).ok());
  REQUIRE(f.store->leases().Keep("image/name", kept).ok());
  REQUIRE(f.store->leases().Keep("export/now", exported).ok());
  PruneOptions options;
  Prune(f, options);
  CHECK(f.Blobs() == 3);  // somebody may be on the way to them
  options.all = true;
  options.keep_duration_ns = 1;
  Prune(f, options);
  CHECK(f.Blobs() == 3);
  options.keep_duration_ns = 0;
  {
    auto use = content.Use();
    Prune(f, options);
    CHECK(content.Has(orphan));
  }
  Prune(f, options);
  CHECK_FALSE(content.Has(orphan));
  CHECK_FALSE(content.Has(kept));
  CHECK(content.Has(exported));
}

TEST_CASE("a removed record is told") {
  StoreFixture f;
  f.store->keys().AddResult("k", {f.Layer(nullptr, "a", "1")->Id(), 1});
  Prune(f, {});
  CHECK(f.store->keys().Results("k").empty());
}

TEST_CASE("retained trees are found by their index, or by how it begins") {  // CAC-036
  StoreFixture f;
  std::map<std::string, std::string> ids;
  for (const char* index : {"go", "go:1", "go:2", "gone:1"}) {
    MutablePtr tree = f.New(nullptr, "a", "1", Retained());
    REQUIRE(tree->SetIndex(index).ok());
    ids[index] = tree->Id();
  }
  CHECK(f.manager().FindMutable("go") == std::vector<std::string>{ids["go"]});
  CHECK(f.manager().FindMutableBelow("go") == std::vector<std::string>{ids["go:1"], ids["go:2"]});
  f.Open();
  CHECK(f.manager().FindMutableBelow("go").size() == 2);
}

TEST_CASE("retained tree: a view is shared until the tree is taken again") {  // CAC-034
  StoreFixture f;
  MutablePtr tree = f.New(nullptr, "a", "1", Retained());
  std::string id = tree->Id();
  auto view = tree->Commit(f.cancel);
  tree.reset();
  REQUIRE(view.ok());
  CHECK(f.Read(*view, "a") == "1");
  CHECK(f.manager().DiskUsage(f.cancel, {})->size() == 1);
  CHECK(f.manager().GetMutable(f.cancel, id).status().code() == absl::StatusCode::kFailedPrecondition);
  std::string view_id = (*view)->Id();
  view->reset();
  CHECK(f.manager().DiskUsage(f.cancel, {})->size() == 1);
  auto again = f.manager().GetMutable(f.cancel, id);
  REQUIRE(again.ok());
  CHECK(f.manager().Get(f.cancel, view_id).status().code() == absl::StatusCode::kNotFound);
  f.Write(**again, "a", "2");
  view = (*again)->Commit(f.cancel);
  again->reset();
  CHECK(f.Read(*view, "a") == "2");
  CHECK(f.Snapshots() == 1);
}

TEST_CASE("retained tree: a view that something is built on keeps the snapshot, the tree is gone") {
  StoreFixture f;
  MutablePtr tree = f.New(nullptr, "a", "1", Retained());
  std::string id = tree->Id();
  auto view = tree->Commit(f.cancel);
  tree.reset();
  ImmutablePtr top = f.Layer(*view, "b", "2");
  CHECK(f.manager().GetMutable(f.cancel, id).status().code() == absl::StatusCode::kNotFound);
  std::string top_id = top->Id();
  view->reset();
  top.reset();
  f.Open();
  auto found = f.manager().Get(f.cancel, top_id);
  REQUIRE(found.ok());
  CHECK(f.Read(*found, "a") == "1");
}

TEST_CASE("retained tree: view and tree are a pair again after a restart, and pruned together") {
  StoreFixture f;
  MutablePtr tree = f.New(nullptr, "a", "1", Retained());
  std::string id = tree->Id(), view_id = (*tree->Commit(f.cancel))->Id();
  tree.reset();
  f.Open();
  CHECK(f.manager().Get(f.cancel, view_id).ok());
  CHECK(Prune(f, {}).size() == 1);
  CHECK(f.manager().Get(f.cancel, view_id).status().code() == absl::StatusCode::kNotFound);
  CHECK(f.Snapshots() == 0);
}

TEST_CASE("a broken retained tree is destroyed") {
  StoreFixture f;
  MutablePtr tree = f.New(nullptr, "a", "1", Retained());
  REQUIRE(tree->Destroy().ok());
  CHECK(f.Snapshots() == 0);
}
