// Decisions of one edge, without threads: what is asked for, and what is left alone.
#include <doctest/doctest.h>

#include "daemon/solver/edge.h"
#include "daemon/solver/memory_storage.h"
#include "tests/unit/support/solver_fakes.h"

namespace bk::solver {
namespace {

// Keys in memory, results that never fail.
struct Lookup : KeyLookup {
  std::vector<std::string> Query(const std::vector<KeyWithSelector>& inputs, int input, const std::string& digest, int output) override {
    return keys.Query(inputs, input, digest, output);
  }
  std::vector<CacheRecord> Records(const std::string& id) override { return keys.Records(id); }
  bool Exists(const std::string& id) override { return storage.Exists(id); }
  // Makes `digest` over the key `from` known, as key `to` with a result.
  void Store(const std::string& from, const std::string& digest, const std::string& to, int input = 0) {
    storage.AddLink(from, {input, 0, digest, ""}, to);
    storage.AddResult(to, {"result of " + to, 1});
  }

  fakes::Journal journal;
  MemoryCacheKeyStorage storage;
  fakes::FakeResults results{&journal, "main"};
  CacheKeys keys{&storage, &results};
  Lookup() { results.claim_all = true; }
};

const Digest kOp = DigestOf("op");

std::shared_ptr<const CacheMap> Map(std::vector<bool> content) {
  auto map = std::make_shared<CacheMap>();
  map->digest = kOp;
  for (bool with : content) {
    CacheMapDep dep;
    if (with) dep.content = [](const CancelToken&, OpContext&, const ResultPtr&) -> absl::StatusOr<Digest> { return DigestOf("content"); };
    map->deps.push_back(dep);
  }
  return map;
}

EdgeOutput At(Level level, std::vector<std::string> keys = {}) { return {level, std::move(keys), nullptr, {}, absl::OkStatus()}; }

EdgeOutput Done(std::vector<std::string> keys) {
  return {Level::kResult, keys, std::make_shared<fakes::FakeResult>("r", Digest()), keys, absl::OkStatus()};
}

TEST_CASE("an edge asks for its map and for definition keys at once") {  // CAC-002
  EdgeState edge(2, 0, false);
  EdgeActions actions = edge.Decide(Level::kResult);
  CHECK(actions.ask_map);
  CHECK(actions.inputs == std::vector<Level>{Level::kFast, Level::kFast});
  CHECK_FALSE(actions.run);
  CHECK_FALSE(edge.Decide(Level::kNone).ask_map);
}

TEST_CASE("a match by definition is loaded; the input is needed no more") {
  Lookup lookup;
  lookup.Store("a", kOp.str(), "b");
  EdgeState edge(1, 0, false);
  edge.OnMap(Map({true}), lookup);
  edge.OnInput(0, At(Level::kFast, {"a"}), lookup);
  EdgeActions actions = edge.Decide(Level::kResult);
  REQUIRE(actions.load);
  CHECK(actions.load->key_id == "b");
  CHECK(actions.inputs[0] == Level::kNone);
  CHECK(edge.output().keys == std::vector<std::string>{"b"});
}

TEST_CASE("no match and no content function: everything is asked for at once, in parallel") {
  Lookup lookup;
  EdgeState edge(2, 0, false);
  edge.OnMap(Map({false, false}), lookup);
  edge.OnInput(0, At(Level::kSlow), lookup);
  EdgeActions actions = edge.Decide(Level::kResult);
  CHECK(actions.inputs == std::vector<Level>{Level::kResult, Level::kResult});
  CHECK(edge.output().level == Level::kSlow);
}

TEST_CASE("an input that matched by definition is left alone while another one has not told all") {
  Lookup lookup;
  lookup.Store("a", kOp.str(), "m", 0);
  EdgeState edge(2, 0, false);
  edge.OnMap(Map({true, true}), lookup);
  edge.OnInput(0, At(Level::kSlow, {"a"}), lookup);
  edge.OnInput(1, At(Level::kSlow), lookup);
  EdgeActions actions = edge.Decide(Level::kResult);
  CHECK(actions.inputs == std::vector<Level>{Level::kSlow, Level::kResult});
}

TEST_CASE("the content of an input leads to the key, and from then on the input's own key does") {
  Lookup lookup;
  lookup.Store(RootKeyId(DigestOf("content"), -1), kOp.str(), "b");
  EdgeState edge(1, 0, false);
  edge.OnMap(Map({true}), lookup);
  edge.OnInput(0, Done({"a2"}), lookup);
  CHECK(edge.Decide(Level::kResult).contents == std::vector<int>{0});
  CHECK_FALSE(edge.Decide(Level::kResult).run);
  edge.OnContent(0, DigestOf("content"), lookup);
  CHECK(edge.Decide(Level::kResult).load);
  CHECK(lookup.storage.Links("a2", {0, 0, kOp.str(), ""}) == std::vector<std::string>{"b"});
}

TEST_CASE("a step that ignores the cache runs, and what depends on it does not see its keys") {  // CAC-008
  Lookup lookup;
  lookup.Store("a", kOp.str(), "b");
  EdgeState edge(1, 0, true);
  edge.OnMap(Map({false}), lookup);
  edge.OnInput(0, Done({"a"}), lookup);
  EdgeActions actions = edge.Decide(Level::kResult);
  CHECK_FALSE(actions.load);
  CHECK(actions.run);
  edge.OnExecuted(std::make_shared<fakes::FakeResult>("new", Digest()), {"b"});
  CHECK(edge.output().keys.empty());
  CHECK(edge.output().result_keys == std::vector<std::string>{"b"});
}

TEST_CASE("a record that cannot be loaded is not tried again; the edge runs instead") {
  Lookup lookup;
  lookup.Store("a", kOp.str(), "b");
  EdgeState edge(1, 0, false);
  edge.OnMap(Map({false}), lookup);
  edge.OnInput(0, At(Level::kSlow, {"a"}), lookup);
  auto load = edge.Decide(Level::kResult).load;
  REQUIRE(load);
  edge.OnLoadFailed(*load);
  EdgeActions actions = edge.Decide(Level::kResult);
  CHECK_FALSE(actions.load);
  CHECK(actions.inputs[0] == Level::kResult);
  edge.OnInput(0, Done({"a"}), lookup);
  CHECK(edge.Decide(Level::kResult).run);
}

TEST_CASE("of several records the newest is loaded") {
  Lookup lookup;
  lookup.Store("a", kOp.str(), "b");
  lookup.storage.AddResult("b", {"newer", 5});
  lookup.storage.AddResult("b", {"older", 3});
  EdgeState edge(1, 0, false);
  edge.OnMap(Map({false}), lookup);
  edge.OnInput(0, At(Level::kFast, {"a"}), lookup);
  CHECK(edge.Decide(Level::kResult).load->result.id == "newer");
}

TEST_CASE("a source is asked for its next key only while none is known to the cache") {  // CAC-007
  Lookup lookup;
  EdgeState edge(0, 0, false);
  CacheMap first;
  first.digest = DigestOf("k1");
  first.done = false;
  edge.OnMap(std::make_shared<CacheMap>(first), lookup);
  CHECK(edge.output().level == Level::kNone);
  CHECK(edge.Decide(Level::kFast).ask_map);
  lookup.storage.AddResult(RootKeyId(DigestOf("k1"), 0), {"r", 1});
  EdgeState again(0, 0, false);
  again.OnMap(std::make_shared<CacheMap>(first), lookup);
  CHECK_FALSE(again.Decide(Level::kFast).ask_map);
  CHECK(again.Decide(Level::kResult).load);
}

TEST_CASE("a result is stored under the definition and the content of its inputs") {
  Lookup lookup;
  EdgeState edge(1, 0, false);
  edge.OnMap(Map({true}), lookup);
  edge.OnInput(0, Done({"a"}), lookup);
  edge.OnContent(0, DigestOf("content"), lookup);
  REQUIRE(edge.Decide(Level::kResult).run);
  auto keys = edge.KeysToStore();
  REQUIRE(keys.size() == 1);
  REQUIRE(keys[0]->inputs[0].size() == 2);
  CHECK(keys[0]->inputs[0][0].key->id == "a");
  CHECK(keys[0]->inputs[0][1].key->id == RootKeyId(DigestOf("content"), -1));
}

TEST_CASE("edges are equal when the op is and every input has a key in common") {
  Lookup lookup;
  EdgeState x(1, 0, false), y(1, 0, false), other_output(1, 1, false);
  for (EdgeState* edge : {&x, &y, &other_output}) edge->OnMap(Map({false}), lookup);
  CHECK_FALSE(x.EqualTo(y));  // nothing is known of the inputs
  x.OnInput(0, At(Level::kFast, {"a"}), lookup);
  y.OnInput(0, At(Level::kFast, {"a", "a2"}), lookup);
  other_output.OnInput(0, At(Level::kFast, {"a"}), lookup);
  CHECK(x.EqualTo(y));
  CHECK_FALSE(x.EqualTo(other_output));
  y.OnError(Unknown("failed"));
  CHECK_FALSE(x.EqualTo(y));
}

TEST_CASE("an error of an input is the edge's, and final") {
  Lookup lookup;
  EdgeState edge(1, 0, false);
  EdgeOutput failed;
  failed.error = Unknown("boom");
  edge.OnInput(0, failed, lookup);
  CHECK(edge.finished());
  CHECK(edge.output().error.message() == "boom");
  edge.OnMap(Map({false}), lookup);
  CHECK_FALSE(edge.Decide(Level::kResult).run);
}

}  // namespace
}  // namespace bk::solver
