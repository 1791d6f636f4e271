#include "daemon/ops/cache_mounts.h"

#include <doctest/doctest.h>

#include <thread>

#include "tests/unit/daemon/ops/fake_cache.h"

namespace bk::ops {
namespace {

using test::FakeCache;

struct Fixture {
  FakeCache cache;
  CacheMounts mounts{&cache, cache.state.root + "/mounts"};
  absl::StatusOr<CacheMountPtr> Get(CacheSharing sharing, const std::string& id = "go", const CancelToken& cancel = CancelToken::Never()) {
    return mounts.Get(cancel, {}, {id, nullptr, sharing, "d"});
  }
};

TEST_CASE("a tree is found again by its key after its use ended") {
  Fixture f;
  std::string first = f.Get(CacheSharing::kShared).value()->ref().Id();
  CHECK(f.cache.state.writable == 0);
  CHECK(f.Get(CacheSharing::kLocked).value()->ref().Id() == first);
  CHECK(f.Get(CacheSharing::kPrivate).value()->ref().Id() == first);
  CHECK(f.Get(CacheSharing::kShared, "other").value()->ref().Id() != first);
}

TEST_CASE("shared uses at one time are the same tree, held until the last ends") {
  Fixture f;
  auto a = f.Get(CacheSharing::kShared).value();
  auto b = f.Get(CacheSharing::kShared).value();
  CHECK(a->ref().Id() == b->ref().Id());
  a.reset();
  CHECK(f.cache.state.writable == 1);
  auto c = f.Get(CacheSharing::kShared).value();
  CHECK(c->ref().Id() == b->ref().Id());
  b.reset();
  c.reset();
  CHECK(f.cache.state.writable == 0);
}

TEST_CASE("private uses at one time are different trees") {
  Fixture f;
  auto a = f.Get(CacheSharing::kPrivate).value();
  auto b = f.Get(CacheSharing::kPrivate).value();
  CHECK(a->ref().Id() != b->ref().Id());
}

TEST_CASE("a locked use waits for the one before it, and the wait can be cancelled") {
  Fixture f;
  auto held = f.Get(CacheSharing::kLocked).value();
  std::string id = held->ref().Id();
  CancelSource source;
  source.Cancel();
  CHECK(absl::IsCancelled(f.Get(CacheSharing::kLocked, "go", source.token()).status()));
  std::string got;
  std::thread waiter([&] { got = f.Get(CacheSharing::kLocked).value()->ref().Id(); });
  held.reset();
  waiter.join();
  CHECK(got == id);
  CHECK(f.cache.state.writable == 0);
}

TEST_CASE("many threads that share a key get one tree and leave none behind") {
  Fixture f;
  std::vector<std::thread> threads;
  for (int i = 0; i < 16; i++) {
    threads.emplace_back([&] {
      for (int k = 0; k < 50; k++) (void)f.Get(CacheSharing::kShared).value();
    });
  }
  for (auto& thread : threads) thread.join();
  CHECK(f.cache.state.next == 1);
  CHECK(f.cache.state.writable == 0);
}

TEST_CASE("the key of a tree on top of an input names the input") {
  Fixture f;
  auto parent = f.cache.Tree({{"f", "x"}});
  CHECK(CacheMounts::KeyOf({"go", parent}) == "go:" + parent->Id());
  CHECK(CacheMounts::KeyOf({"go", nullptr}) == "go");
}

TEST_CASE("a dropped key starts with an empty tree, and those on an input only when they are meant") {
  Fixture f;
  auto parent = f.cache.Tree({{"f", "x"}});
  auto get = [&](const cache::ImmutablePtr& on) { return f.mounts.Get(CancelToken::Never(), {}, {"go", on, CacheSharing::kShared, "d"}).value()->ref().Id(); };
  std::string plain = get(nullptr), nested = get(parent);
  CHECK(f.mounts.Drop(CancelToken::Never(), "go", true).ok());
  CHECK(get(nullptr) == plain);
  std::string renewed = get(parent);
  CHECK(renewed != nested);
  CHECK(f.mounts.Drop(CancelToken::Never(), "go", false).ok());
  CHECK(get(nullptr) != plain);
  CHECK(get(parent) == renewed);
  CHECK(f.mounts.Drop(CancelToken::Never(), "g", true).ok());
  CHECK(get(parent) == renewed);
}

TEST_CASE("a dropped tree that is in use stays for its users, and goes with the last one") {
  for (CacheSharing sharing : {CacheSharing::kShared, CacheSharing::kPrivate, CacheSharing::kLocked}) {
    Fixture f;
    auto old = f.Get(sharing).value();
    std::string id = old->ref().Id();
    CHECK(f.mounts.Drop(CancelToken::Never(), "go", false).ok());
    std::string made = f.Get(sharing).value()->ref().Id();
    CHECK(made != id);
    old.reset();
    CHECK(f.cache.FindMutable("cache-dir:go") == std::vector<std::string>{made});
    CHECK(f.Get(sharing).value()->ref().Id() == made);
    CHECK(f.cache.state.writable == 0);
  }
}

}  // namespace
}  // namespace bk::ops
