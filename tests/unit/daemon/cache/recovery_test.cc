#include "tests/unit/daemon/cache/store_fixture.h"

#include <fcntl.h>
#include <sys/file.h>

#include "daemon/cache/contenthash.h"

using namespace bk;
using namespace bk::cache;

TEST_CASE("crash: a committed tree is there again, with its parent and values") {  // CAC-036
  StoreFixture f;
  int pipe_fds[2];
  REQUIRE(pipe(pipe_fds) == 0);
  f.Crash([&](StoreFixture& c) {
    ImmutablePtr base = c.Layer(nullptr, "a", "1");
    ImmutablePtr top = c.Layer(base, "b", "2");
    REQUIRE(top->SetValue("k", "v").ok());
    std::string id = top->Id();
    REQUIRE(write(pipe_fds[1], id.data(), id.size()) == static_cast<ssize_t>(id.size()));
  });
  char id[64];
  ssize_t n = read(pipe_fds[0], id, sizeof id);
  close(pipe_fds[0]);
  close(pipe_fds[1]);
  f.Open();
  auto ref = f.manager().Get(f.cancel, std::string(id, static_cast<size_t>(n)));
  REQUIRE(ref.ok());
  CHECK(f.Read(*ref, "a") == "1");
  CHECK(f.Read(*ref, "b") == "2");
  CHECK((*ref)->GetValue("k") == "v");
  CHECK((*ref)->LayerChain().size() == 2);
}

TEST_CASE("crash: unfinished trees leave neither record nor snapshot") {
  StoreFixture f;
  f.Crash([](StoreFixture& c) {
    ImmutablePtr base = c.Layer(nullptr, "a", "1");
    MutablePtr open = c.New(base, "b", "2");
    open.release();
  });
  f.Open();
  CHECK(f.manager().DiskUsage(f.cancel, {})->size() == 1);
  CHECK(f.Snapshots() == 1);
}

TEST_CASE("crash: a retained tree stays, one that a transfer was changing goes") {
  StoreFixture f;
  f.Crash([](StoreFixture& c) {
    NewOptions retain;
    retain.retain = true;
    MutablePtr kept = c.New(nullptr, "a", "1", retain);
    REQUIRE(kept->SetIndex("kept").ok());
    MutablePtr changing = c.New(nullptr, "a", "1", retain);
    REQUIRE(changing->SetIndex("changing").ok());
    auto updater = ContentHashUpdater::Begin(*changing);
    REQUIRE(updater.ok());
    updater->release();
    kept.release();
    changing.release();
  });
  f.Open();
  CHECK(f.manager().FindMutable("changing").empty());
  REQUIRE(f.manager().FindMutable("kept").size() == 1);
  CHECK(f.manager().GetMutable(f.cancel, f.manager().FindMutable("kept")[0]).ok());
  CHECK(f.Snapshots() == 1);
}

TEST_CASE("crash: blobs that nobody names are swept, those of records and leases stay") {  // CAC-041, INF-009
  StoreFixture f;
  Digest leased = DigestOf("leased");
  f.Crash([&](StoreFixture& c) {
    ImmutablePtr base = c.Layer(nullptr, "a", "1");
    REQUIRE(base->Layers(c.cancel, {}, {}, true).ok());
    REQUIRE(c.store->content().Put("leased", leased).ok());
    REQUIRE(c.store->leases().Keep("image", leased).ok());
    REQUIRE(c.store->content().Put("orphan", DigestOf("orphan")).ok());
    auto ingest = c.store->content().NewIngest();
    REQUIRE(ingest->Write("half").ok());
    new content::Ingest(*std::move(ingest));
  });
  f.Open();
  CHECK(f.Blobs() == 2);
  CHECK(f.store->content().Has(leased));
  CHECK(os::ListDir(f.dir.path() + "/content/ingest")->empty());
}

TEST_CASE("start: a record whose snapshot is missing goes with all that stands on it") {
  StoreFixture f;
  std::string lost;
  {
    ImmutablePtr base = f.Layer(nullptr, "a", "1");
    lost = (*base->Mount(f.cancel, {}, true))->mounts()[0].source;
    f.Layer(base, "b", "2");
    f.Layer(nullptr, "c", "3");
  }
  f.store.reset();
  REQUIRE(os::RemoveAll(lost).ok());
  f.Open();
  CHECK(f.manager().DiskUsage(f.cancel, {})->size() == 1);
  CHECK(f.Snapshots() == 1);
}

TEST_CASE("start: results and links of the solver survive a crash once their store call returned") {  // CAC-010, INF-011
  StoreFixture f;
  f.Crash([](StoreFixture& c) {
    ImmutablePtr ref = c.Layer(nullptr, "a", "1");
    c.store->keys().AddLink("k1", {0, 0, "sha256:x", ""}, "k2");
    c.store->keys().AddResult("k2", {ref->Id(), 5});
    c.store->keys().AddResult("k2", {"of-no-record", 6});
    c.store->keys().AddResult("k3", {"", 7});  // an empty tree
    c.store->keys().Flush();
  });
  f.Open();
  CHECK(f.store->keys().Links("k1", {0, 0, "sha256:x", ""}) == std::vector<std::string>{"k2"});
  CHECK(f.store->keys().Results("k2").size() == 1);
  CHECK(f.store->keys().Results("k3").size() == 1);
}

TEST_CASE("start: who still writes into trees is ended before they are removed, and after the directory is ours") {
  os::TempDir dir = os::TempDir::Make("store-").value();
  REQUIRE(os::MakeDirs(dir.path() + "/tmp/in-use", 0700).ok());
  int calls = 0;
  auto open = [&] {
    return Store::Open({.root = dir.path(), .snapshotter = "native", .before_recovery = [&] {
      calls++;
      return os::Exists(dir.path() + "/tmp/in-use") ? absl::OkStatus() : absl::InternalError("too late");
    }});
  };
  auto first = open();
  REQUIRE_MESSAGE(first.ok(), Message(first.status()));
  CHECK_FALSE(open().ok());
  CHECK(calls == 1);
}

TEST_CASE("start: a directory in use is refused") {
  StoreFixture f;
  auto second = Store::Open({.root = f.dir.path(), .snapshotter = "native", .before_recovery = {}});
  REQUIRE_FALSE(second.ok());
  CHECK(Message(second.status()).starts_with("could not lock"));
  f.Open();
}
