#include "daemon/solver/memory_storage.h"

#include <algorithm>

namespace bk::solver {
namespace {

bool IsRandom(const std::string& id) { return id.starts_with("random:"); }

}  // namespace

std::vector<std::string> MemoryCacheKeyStorage::Links(const std::string& id, const CacheLink& link) {
  return state_.With([&](State& s) -> std::vector<std::string> {
    auto node = s.links.find(id);
    if (node == s.links.end()) return {};
    auto targets = node->second.find(link);
    if (targets == node->second.end()) return {};
    return {targets->second.begin(), targets->second.end()};
  });
}

bool MemoryCacheKeyStorage::InsertLink(State& s, const std::string& id, const CacheLink& link, const std::string& target) {
  return s.links[id][link].insert(target).second;
}

bool MemoryCacheKeyStorage::InsertResult(State& s, const std::string& id, const CacheResult& result) {
  auto& results = s.results[id];
  bool known = std::any_of(results.begin(), results.end(), [&](const CacheResult& r) { return r.id == result.id; });
  if (known) return false;
  auto older = std::find_if(results.begin(), results.end(), [&](const CacheResult& r) { return r.created_ns <= result.created_ns; });
  results.insert(older, result);
  s.keys_of_result[result.id].insert(id);
  return true;
}

void MemoryCacheKeyStorage::AddLink(const std::string& id, const CacheLink& link, const std::string& target) {
  bool added = state_.With([&](State& s) { return InsertLink(s, id, link, target); });
  if (added && persister_ != nullptr && !IsRandom(id) && !IsRandom(target)) persister_->LinkAdded(id, link, target);
}

std::vector<CacheResult> MemoryCacheKeyStorage::Results(const std::string& id) {
  return state_.With([&](State& s) -> std::vector<CacheResult> {
    auto it = s.results.find(id);
    return it == s.results.end() ? std::vector<CacheResult>() : it->second;
  });
}

void MemoryCacheKeyStorage::AddResult(const std::string& id, const CacheResult& result) {
  bool added = state_.With([&](State& s) { return InsertResult(s, id, result); });
  if (added && persister_ != nullptr && !IsRandom(id)) persister_->ResultAdded(id, result);
}

void MemoryCacheKeyStorage::RemoveResult(const std::string& result_id) {
  state_.With([&](State& s) {
    auto keys = s.keys_of_result.find(result_id);
    if (keys == s.keys_of_result.end()) return;
    for (const std::string& key : keys->second) {
      auto& results = s.results[key];
      std::erase_if(results, [&](const CacheResult& r) { return r.id == result_id; });
      if (results.empty()) s.results.erase(key);
    }
    s.keys_of_result.erase(keys);
  });
  if (persister_ != nullptr) persister_->ResultRemoved(result_id);
}

void MemoryCacheKeyStorage::RestoreLink(const std::string& id, const CacheLink& link, const std::string& target) {
  state_.With([&](State& s) { InsertLink(s, id, link, target); });
}

void MemoryCacheKeyStorage::RestoreResult(const std::string& id, const CacheResult& result) {
  state_.With([&](State& s) { InsertResult(s, id, result); });
}

}  // namespace bk::solver
