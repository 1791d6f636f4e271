// golden/keys/cachekeys: names of keys, what a storage is told and asked, and the cacheconfig of their export.
#include <algorithm>
#include <map>

#include "daemon/remotecache/chains.h"
#include "daemon/solver/cache_keys.h"
#include "daemon/solver/memory_storage.h"
#include "tests/golden/keys/suites.h"

namespace bk::golden::keys {
namespace {

using solver::CacheKeyPtr;
using solver::CacheLink;
using solver::CacheRecord;

constexpr int64_t kSecond = 1'000'000'000;

struct NamedResult : solver::Result {
  explicit NamedResult(std::string i) : id(std::move(i)) {}
  std::string Id() const override { return id; }
  std::string id;
};

class Results : public solver::ResultStorage {
 public:
  absl::StatusOr<solver::CacheResult> Save(const solver::Result& result) override {
    known[result.Id()] = true;
    return solver::CacheResult{result.Id(), created_at * kSecond};
  }
  absl::StatusOr<solver::ResultPtr> Load(const std::string& id) override {
    if (!Exists(id)) return NotFound("no result ", id);
    return std::make_shared<NamedResult>(id);
  }
  bool Exists(const std::string& id) override { return known[id]; }
  std::map<std::string, bool> known;
  int64_t created_at = 0;  // seconds, as in the cases
};

class Storage : public solver::MemoryCacheKeyStorage {
 public:
  void AddLink(const std::string& id, const CacheLink& link, const std::string& target) override {
    Json call = {{"digest", link.digest}, {"from", id}, {"input", link.input}, {"output", link.output}};
    if (!link.selector.empty()) call["selector"] = link.selector;
    call["to"] = target;
    calls.push_back({{"add_link", call}});
    MemoryCacheKeyStorage::AddLink(id, link, target);
  }
  void AddResult(const std::string& id, const solver::CacheResult& result) override {
    calls.push_back({{"add_result", {{"created_at", result.created_ns / kSecond}, {"id", id}, {"result", result.id}}}});
    MemoryCacheKeyStorage::AddResult(id, result);
  }
  void RemoveResult(const std::string& id) override {
    calls.push_back({{"release", id}});
    MemoryCacheKeyStorage::RemoveResult(id);
  }
  std::vector<Json> calls;
};

// Replaces ids that the case calls $id1, $id2… by those names, as they come up.
class Names {
 public:
  // True if `got` may be what the case calls `want`.
  bool Match(const std::string& got, const std::string& want) {
    if (!want.starts_with("$id")) return got == want;
    auto [it, added] = ids_.emplace(want, got);
    return it->second == got;
  }
  Json Replace(Json value) const {
    for (const auto& [name, id] : ids_) {
      std::string text = value.dump();
      for (size_t at; (at = text.find(id)) != std::string::npos;) text.replace(at, id.size(), name);
      value = Json::parse(text);
    }
    return value;
  }
  // Takes the names out of `want` where `got` has ids at the same place.
  void Learn(const Json& got, const Json& want) {
    if (want.is_string() && got.is_string()) {
      Match(got, want);
    } else if (want.is_array() && got.is_array()) {
      for (size_t i = 0; i < std::min(got.size(), want.size()); i++) Learn(got[i], want[i]);
    } else if (want.is_object() && got.is_object()) {
      for (const auto& [key, value] : want.items()) {
        if (got.contains(key)) Learn(got[key], value);
      }
    }
  }

 private:
  std::map<std::string, std::string> ids_;
};

class Case {
 public:
  absl::Status Step(const Json& step);
  absl::Status CheckStorage(const Json& expect);

 private:
  absl::Status CheckCalls(const Json& expect, bool sorted);
  std::vector<solver::KeyWithSelector> Alternatives(const Json& list);
  absl::Status Query(const Json& step);
  absl::Status Records(const Json& step);
  absl::Status Export(const Json& step);
  void Key(const Json& step);

  Storage storage_;
  Results results_;
  solver::CacheKeys keys_{&storage_, &results_};
  std::map<std::string, CacheKeyPtr> by_name_;
  std::map<std::string, CacheRecord> saved_;  // by key name
  Names names_;
};

std::vector<solver::KeyWithSelector> Case::Alternatives(const Json& list) {
  std::vector<solver::KeyWithSelector> found;
  for (const auto& k : list) found.push_back({by_name_.at(k.at("key")), k.value("selector", "")});
  return found;
}

void Case::Key(const Json& step) {
  std::string text = step.at("digest");
  size_t colon = text.find(':');
  Digest digest = Digest::FromParts(text.substr(0, colon), text.substr(colon + 1));
  CacheKeyPtr key;
  if (step.at("deps").empty()) {
    key = solver::RootKey(digest, step.at("output"));
  } else {
    key = std::make_shared<solver::CacheKey>(solver::CacheKey{"", text, step.at("output"), {}});
    for (const auto& alternatives : step.at("deps")) key->inputs.push_back(Alternatives(alternatives));
  }
  by_name_[step.at("key")] = key;
}

absl::Status Case::CheckCalls(const Json& expect, bool sorted) {
  Json got = Json::array(), want = expect.value("storage_calls", Json::array());
  for (Json& call : storage_.calls) got.push_back(std::move(call));
  storage_.calls.clear();
  if (!sorted) names_.Learn(got, want);
  got = names_.Replace(got);
  if (sorted) {
    auto by_text = [](const Json& a, const Json& b) { return a.dump() < b.dump(); };
    std::sort(got.begin(), got.end(), by_text);
    std::sort(want.begin(), want.end(), by_text);
  }
  return ExpectJson("storage calls", got, want);
}

absl::Status Case::Query(const Json& step) {
  auto found = keys_.Query(Alternatives(step.at("keys")), step.at("input"), step.at("digest"), step.at("output"));
  std::string as = step.at("as");
  for (size_t i = 0; i < found.size(); i++) by_name_[StrCat(as, ".", i)] = solver::FoundKey(found[i]);
  Json got = Json::array();
  for (const std::string& id : found) got.push_back(id);
  got = names_.Replace(got);
  Json want = step.at("expect").at("ids");
  std::sort(got.begin(), got.end());
  std::sort(want.begin(), want.end());
  return ExpectJson("ids", got, want);
}

absl::Status Case::Records(const Json& step) {
  std::vector<std::string> got;
  for (const CacheRecord& record : keys_.Records(keys_.IdOf(*by_name_.at(step.at("key"))))) got.push_back(record.result.id);
  std::sort(got.begin(), got.end());
  std::vector<std::string> want = step.at("expect").at("results");
  std::sort(want.begin(), want.end());
  return ExpectJson("results", got, want);
}

absl::Status Case::Export(const Json& step) {
  struct Source : solver::CacheExportSource {
    std::vector<CacheRecord> RecordsOf(const solver::CacheKey& key) override {
      if (&key == top) return all;
      auto it = saved.find(&key);
      return it == saved.end() ? std::vector<CacheRecord>() : std::vector<CacheRecord>{it->second};
    }
    absl::StatusOr<std::vector<Descriptor>> LayersOf(const CacheRecord& record, bool remote_only) override {
      if (remote_only) return std::vector<Descriptor>();
      Descriptor layer;
      layer.digest = DigestOf("layer of " + record.result.id);
      return std::vector<Descriptor>{layer};
    }
    const solver::CacheKey* top = nullptr;
    std::vector<CacheRecord> all;
    std::map<const solver::CacheKey*, CacheRecord> saved;
  } source;
  for (const auto& [name, record] : saved_) source.saved[by_name_.at(name).get()] = record;
  CacheKeyPtr key = by_name_.at(step.at("key"));
  if (step.value("with_all_records", false)) {
    source.top = key.get();
    source.all = keys_.Records(keys_.IdOf(*key));
  }
  solver::CacheExportOptions options;
  std::string mode = step.at("mode");
  options.mode = mode == "min" ? solver::CacheExportOptions::Mode::kMin : mode == "max" ? solver::CacheExportOptions::Mode::kMax : solver::CacheExportOptions::Mode::kRemoteOnly;
  options.roots = step.value("export_roots", false);
  options.ignore_backlinks = step.value("ignore_backlinks", false);
  remotecache::CacheChains chains;
  BK_RETURN_IF_ERROR(solver::CacheExporter(&keys_, &source, &chains, options).Export(*key));
  return ExpectText("config", chains.Config(), step.at("expect").at("config").get<std::string>());
}

absl::Status Case::Step(const Json& step) {
  std::string op = step.at("op");
  const Json expect = step.value("expect", Json::object());
  if (op == "key") {
    Key(step);
  } else if (op == "lose") {
    results_.known[step.at("result")] = false;
  } else if (op == "id") {
    std::string id = keys_.IdOf(*by_name_.at(step.at("key")));
    if (!names_.Match(id, expect.at("id"))) return Unknown("id: got ", id, ", want ", expect.at("id").get<std::string>());
  } else if (op == "save") {
    results_.created_at = step.at("created_at");
    CacheKeyPtr key = by_name_.at(step.at("key"));
    BK_TRY(CacheRecord record, keys_.Save(*key, NamedResult(step.at("result"))));
    if (!names_.Match(record.key_id, expect.at("id"))) return Unknown("id: got ", record.key_id, ", want ", expect.at("id").get<std::string>());
    saved_[step.at("key")] = record;
  } else if (op == "query") {
    BK_RETURN_IF_ERROR(Query(step));
  } else if (op == "records") {
    BK_RETURN_IF_ERROR(Records(step));
  } else if (op == "load") {
    auto loaded = keys_.Load(saved_.at(step.at("key")));
    BK_RETURN_IF_ERROR(ExpectJson("result", loaded.ok() ? Json((*loaded)->Id()) : Json(nullptr), expect.at("result")));
  } else if (op == "export") {
    BK_RETURN_IF_ERROR(Export(step));
  } else if (op == "release") {
    storage_.RemoveResult(step.at("result"));
  } else if (op == "release_unreferenced") {
    keys_.ReleaseUnreferenced();
  } else {
    return Unknown("step ", op, " is not known");
  }
  return CheckCalls(expect, op == "query");
}

absl::Status Case::CheckStorage(const Json& expect) {
  Json keys = Json::array();
  for (const std::string& id : storage_.Ids()) {
    Json key = Json::object();
    Json backlinks = Json::array();
    for (const auto& [from, link] : storage_.Backlinks(id)) {
      Json backlink = {{"from", names_.Replace(from)}, {"input", link.input}, {"root_digest", solver::RootKeyId(*Digest::Parse(link.digest), link.output)}};
      if (!link.selector.empty()) backlink["selector"] = link.selector;
      backlinks.push_back(backlink);
    }
    std::sort(backlinks.begin(), backlinks.end(), [](const Json& a, const Json& b) { return a.dump() < b.dump(); });
    if (!backlinks.empty()) key["backlinks"] = backlinks;
    key["exists"] = storage_.Exists(id);
    key["id"] = names_.Replace(id);
    std::vector<std::string> results;
    for (const auto& result : storage_.Results(id)) results.push_back(result.id);
    std::sort(results.begin(), results.end());
    if (!results.empty()) key["results"] = results;
    keys.push_back(key);
  }
  auto by_id = [](const Json& a, const Json& b) { return a.at("id").get<std::string>() < b.at("id").get<std::string>(); };
  Json want = expect.at("keys");
  std::sort(keys.begin(), keys.end(), by_id);
  std::sort(want.begin(), want.end(), by_id);
  return ExpectJson("storage", keys, want);
}

}  // namespace

absl::Status RunCacheKeys(const Json& c, const std::string&) {
  Case run;
  int number = 0;
  for (const auto& step : c.at("steps")) {
    absl::Status status = run.Step(step);
    number++;
    if (!status.ok()) return Annotate(status, StrCat("step ", number, " (", step.at("op").get<std::string>(), ")"));
  }
  return run.CheckStorage(c.at("expect_storage"));
}

}  // namespace bk::golden::keys
