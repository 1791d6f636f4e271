#include <doctest/doctest.h>

#include "daemon/solver/cache_keys.h"
#include "daemon/solver/memory_storage.h"
#include "tests/unit/support/solver_fakes.h"
#include "tests/unit/support/scale.h"

namespace bk::solver {
namespace {

struct Told : MemoryCacheKeyStorage::Persister {
  void LinkAdded(const std::string& id, const CacheLink&, const std::string& target) override { entries.push_back(StrCat("link ", id, " ", target)); }
  void ResultAdded(const std::string& id, const CacheResult& result) override { entries.push_back(StrCat("result ", id, " ", result.id)); }
  void ResultRemoved(const std::string& id) override { entries.push_back(StrCat("gone ", id)); }
  void LinkRemoved(const std::string& id, const CacheLink&, const std::string& target) override { entries.push_back(StrCat("unlink ", id, " ", target)); }
  void Flush() override { entries.push_back("flush"); }
  std::vector<std::string> entries;
};

TEST_CASE("what belongs to one session is never persisted") {  // CAC-009
  Told told;
  MemoryCacheKeyStorage storage(&told);
  fakes::Journal journal;
  fakes::FakeResults results(&journal, "main");
  CacheKeys keys(&storage, &results);
  auto root = RootKey(Digest::FromParts("random", "0123"), 0);
  CacheKey above{"", DigestOf("op").str(), 0, {{{root, ""}}}};
  REQUIRE(keys.Save(above, fakes::FakeResult("r", Digest())).ok());
  CHECK(above.id.starts_with("random:"));
  CHECK(told.entries == std::vector<std::string>{"flush"});
  CHECK(storage.Results(above.id).size() == 1);

  // With a content key beside it the same step is for everybody.
  CacheKey known{"", DigestOf("op").str(), 0, {{{root, ""}, {RootKey(DigestOf("content"), -1), ""}}}};
  REQUIRE(keys.Save(known, fakes::FakeResult("r2", Digest())).ok());
  CHECK_FALSE(known.id.starts_with("random:"));
  CHECK(told.entries == std::vector<std::string>{"flush", "result " + known.id + " r2", "link " + RootKeyId(DigestOf("content"), -1) + " " + known.id, "flush"});
}

TEST_CASE("removing the only result of a long chain of keys forgets the chain") {  // CAC-010
  Told told;
  MemoryCacheKeyStorage storage(&told);
  constexpr int kLength = test::kLarge;
  for (int i = 0; i < kLength; i++) storage.AddLink(StrCat("k", i), {0, 0, "d", ""}, StrCat("k", i + 1));
  storage.AddResult(StrCat("k", kLength), {"r", 1});
  storage.AddResult("k10", {"kept", 1});
  CHECK(storage.Exists("k0"));
  told.entries.clear();
  storage.RemoveResult("r");
  CHECK(storage.Exists("k9"));
  CHECK(storage.Exists("k10"));
  CHECK_FALSE(storage.Exists("k11"));
  CHECK(storage.Ids().size() == 11);
  CHECK(told.entries.size() == 1 + kLength - 10);
  storage.RemoveResult("kept");
  CHECK(storage.Ids().empty());
}

TEST_CASE("a key of a long chain is named and linked without recursion") {
  MemoryCacheKeyStorage storage;
  fakes::Journal journal;
  fakes::FakeResults results(&journal, "main");
  CacheKeys keys(&storage, &results);
  std::vector<CacheKeyPtr> chain = {RootKey(DigestOf("root"), 0)};
  for (int i = 0; i < 20'000; i++) chain.push_back(std::make_shared<CacheKey>(CacheKey{"", DigestOf("op").str(), 0, {{{chain.back(), ""}}}}));
  REQUIRE(keys.Save(*chain.back(), fakes::FakeResult("r", Digest())).ok());
  CHECK(storage.Ids().size() == chain.size());
  while (!chain.empty()) chain.pop_back();  // from the top, so that nothing is freed recursively
}

TEST_CASE("loading a lost result is NotFound and forgets the record") {
  MemoryCacheKeyStorage storage;
  fakes::Journal journal;
  fakes::FakeResults results(&journal, "main");
  CacheKeys keys(&storage, &results);
  auto root = RootKey(DigestOf("a"), 0);
  auto record = keys.Save(*root, fakes::FakeResult("r", Digest()));
  REQUIRE(record.ok());
  CHECK(keys.Load(*record).ok());
  results.Lose("r");
  CHECK(absl::IsNotFound(keys.Load(*record).status()));
  CHECK_FALSE(storage.Exists(root->id));
}

}  // namespace
}  // namespace bk::solver
