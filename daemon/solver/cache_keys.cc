#include "daemon/solver/cache_keys.h"

#include <algorithm>
#include <set>
#include <unordered_set>

#include "base/id.h"

namespace bk::solver {
namespace {

constexpr char kRandom[] = "random:";

bool IsRandom(const std::string& id) { return id.starts_with(kRandom); }

CacheLink LinkOf(const CacheKey& key, size_t input, const KeyWithSelector& from) {
  return {static_cast<int>(input), key.output, key.digest, from.selector};
}

}  // namespace

std::string RootKeyId(const Digest& digest, int output) {
  if (digest.is_random()) return StrCat(kRandom, digest.hex());
  return DigestOf(StrCat(digest.str(), "@", output)).str();
}

CacheKeyPtr RootKey(const Digest& digest, int output) {
  return std::make_shared<CacheKey>(CacheKey{RootKeyId(digest, output), digest.str(), output, {}});
}

CacheKeyPtr FoundKey(std::string id) { return std::make_shared<CacheKey>(CacheKey{std::move(id), {}, 0, {}}); }

// Names `key` and the keys below it, those below first. Iterative: chains are long.
std::string CacheKeys::IdOf(CacheKey& key) const {
  std::vector<CacheKey*> stack = {&key};
  while (!stack.empty()) {
    CacheKey* next = stack.back();
    bool ready = true;
    if (next->id.empty()) {
      for (const auto& alternatives : next->inputs) {
        for (const KeyWithSelector& from : alternatives) {
          if (!from.key->id.empty()) continue;
          stack.push_back(from.key.get());
          ready = false;
        }
      }
    }
    if (!ready) continue;
    stack.pop_back();
    if (next->id.empty()) next->id = IdFromInputs(*next);
  }
  return key.id;
}

// An id that is led to by some key of the first input and by all keys of the others; a new one if there is none.
std::string CacheKeys::IdFromInputs(const CacheKey& key) const {
  bool random = std::any_of(key.inputs.begin(), key.inputs.end(), [](const auto& alternatives) {
    return !alternatives.empty() && std::all_of(alternatives.begin(), alternatives.end(), [](const KeyWithSelector& from) { return IsRandom(from.key->id); });
  });
  std::set<std::string> matches;
  for (size_t i = 0; i < key.inputs.size(); i++) {
    for (const KeyWithSelector& from : key.inputs[i]) {
      std::vector<std::string> found = storage_->Links(from.key->id, LinkOf(key, i, from));
      if (i == 0) {
        matches.insert(found.begin(), found.end());
      } else {
        std::erase_if(matches, [&](const std::string& id) { return std::find(found.begin(), found.end(), id) == found.end(); });
      }
    }
    if (matches.empty()) break;
  }
  // A key that may be persisted does not take the id of one that may not.
  if (!random) std::erase_if(matches, IsRandom);
  if (!matches.empty()) return *matches.begin();
  return random ? StrCat(kRandom, NewId()) : NewId();
}

std::vector<std::string> CacheKeys::Query(const std::vector<KeyWithSelector>& inputs, int input, const std::string& digest, int output) const {
  if (inputs.empty()) {
    size_t colon = digest.find(':');
    std::string id = RootKeyId(Digest::FromParts(digest.substr(0, colon), digest.substr(colon + 1)), output);
    return storage_->Exists(id) ? std::vector<std::string>{id} : std::vector<std::string>();
  }
  std::set<std::string> all;
  std::vector<std::set<std::string>> found(inputs.size());
  for (size_t i = 0; i < inputs.size(); i++) {
    CacheLink link{input, output, digest, inputs[i].selector};
    for (std::string& id : storage_->Links(IdOf(*inputs[i].key), link)) {
      found[i].insert(id);
      all.insert(std::move(id));
    }
  }
  for (const std::string& id : all) {
    for (size_t i = 0; i < inputs.size(); i++) {
      if (!found[i].contains(id)) storage_->AddLink(inputs[i].key->id, {input, output, digest, inputs[i].selector}, id);
    }
  }
  return {all.begin(), all.end()};
}

std::vector<CacheRecord> CacheKeys::Records(const std::string& id) const {
  std::vector<CacheRecord> records;
  for (CacheResult& result : storage_->Results(id)) {
    if (results_->Exists(result.id)) {
      records.push_back({id, std::move(result)});
    } else {
      storage_->RemoveResult(result.id);
    }
  }
  return records;
}

absl::StatusOr<ResultPtr> CacheKeys::Load(const CacheRecord& record) const {
  auto stored = storage_->Results(record.key_id);
  bool known = std::any_of(stored.begin(), stored.end(), [&](const CacheResult& r) { return r.id == record.result.id; });
  if (!known) return NotFound("cache record ", Quote(record.result.id), " is gone");
  auto result = results_->Load(record.result.id);
  if (absl::IsNotFound(result.status())) storage_->RemoveResult(record.result.id);
  return result;
}

absl::StatusOr<CacheRecord> CacheKeys::Save(CacheKey& key, const Result& result) const {
  BK_TRY(CacheResult stored, results_->Save(result));
  storage_->AddResult(IdOf(key), stored);
  EnsureLinks(key);
  storage_->Flush();
  return CacheRecord{key.id, std::move(stored)};
}

absl::StatusOr<std::vector<CacheRecord>> CacheKeys::Save(const std::vector<CacheKeyPtr>& keys, const Result& result) const {
  BK_TRY(CacheResult stored, results_->Save(result));
  std::vector<CacheRecord> records;
  for (const CacheKeyPtr& key : keys) {
    storage_->AddResult(IdOf(*key), stored);
    EnsureLinks(*key);
    records.push_back({key->id, stored});
  }
  storage_->Flush();
  return records;
}

// Adds the links that lead to `key`, and those to the keys below it where a link was missing; the lower ones first.
void CacheKeys::EnsureLinks(CacheKey& key) const {
  struct Frame {
    CacheKey* key;
    size_t input = 0, alternative = 0;
    bool entered = false;  // the current alternative's own links are there
  };
  std::unordered_set<CacheKey*> done;
  std::vector<Frame> stack = {{&key}};
  while (!stack.empty()) {
    Frame& top = stack.back();
    if (top.input == top.key->inputs.size()) {
      done.insert(top.key);
      stack.pop_back();
      continue;
    }
    const auto& alternatives = top.key->inputs[top.input];
    if (top.alternative == alternatives.size()) {
      top.input++;
      top.alternative = 0;
      continue;
    }
    const KeyWithSelector& from = alternatives[top.alternative];
    CacheLink link = LinkOf(*top.key, top.input, from);
    std::vector<std::string> known = storage_->Links(IdOf(*from.key), link);
    bool linked = std::find(known.begin(), known.end(), top.key->id) != known.end();
    if (!linked && !top.entered && !done.contains(from.key.get())) {
      top.entered = true;
      stack.push_back({from.key.get()});
      continue;
    }
    if (!linked) storage_->AddLink(from.key->id, link, top.key->id);
    top.entered = false;
    top.alternative++;
  }
}

void CacheKeys::ReleaseUnreferenced() const {
  std::set<std::string> seen;
  for (const std::string& id : storage_->Ids()) {
    for (const CacheResult& result : storage_->Results(id)) {
      if (seen.insert(result.id).second && !results_->Exists(result.id)) storage_->RemoveResult(result.id);
    }
  }
}

}  // namespace bk::solver
