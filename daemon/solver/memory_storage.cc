#include "daemon/solver/memory_storage.h"

#include <algorithm>

namespace bk::solver {
namespace {

bool IsRandom(const std::string& id) { return id.starts_with("random:"); }

}  // namespace

std::vector<std::string> MemoryCacheKeyStorage::Links(const std::string& id, const CacheLink& link) {
  return state_.With([&](State& s) -> std::vector<std::string> {
    auto node = s.keys.find(id);
    if (node == s.keys.end()) return {};
    auto targets = node->second.links.find(link);
    if (targets == node->second.links.end()) return {};
    return {targets->second.begin(), targets->second.end()};
  });
}

bool MemoryCacheKeyStorage::InsertLink(State& s, const std::string& id, const CacheLink& link, const std::string& target) {
  if (!s.keys[id].links[link].insert(target).second) return false;
  s.keys[target].backlinks.insert(id);
  return true;
}

bool MemoryCacheKeyStorage::InsertResult(State& s, const std::string& id, const CacheResult& result) {
  auto& results = s.keys[id].results;
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
    auto it = s.keys.find(id);
    return it == s.keys.end() ? std::vector<CacheResult>() : it->second.results;
  });
}

void MemoryCacheKeyStorage::AddResult(const std::string& id, const CacheResult& result) {
  bool added = state_.With([&](State& s) { return InsertResult(s, id, result); });
  if (added && persister_ != nullptr && !IsRandom(id)) persister_->ResultAdded(id, result);
}

// Removes `id` if nothing hangs on it, then the same for the keys that led to it. Iterative: chains are long.
void MemoryCacheKeyStorage::Prune(State& s, const std::string& id, std::vector<RemovedLink>& removed) {
  std::vector<std::string> pending = {id};
  while (!pending.empty()) {
    std::string next = std::move(pending.back());
    pending.pop_back();
    auto key = s.keys.find(next);
    if (key == s.keys.end() || !key->second.empty()) continue;
    for (const std::string& parent : key->second.backlinks) {
      auto up = s.keys.find(parent);
      if (up == s.keys.end()) continue;
      auto& links = up->second.links;
      for (auto link = links.begin(); link != links.end();) {
        if (link->second.erase(next) != 0) removed.push_back({parent, link->first, next});
        link = link->second.empty() ? links.erase(link) : std::next(link);
      }
      pending.push_back(parent);
    }
    s.keys.erase(key);
  }
}

void MemoryCacheKeyStorage::RemoveResult(const std::string& result_id) {
  std::vector<RemovedLink> removed;
  state_.With([&](State& s) {
    auto node = s.keys_of_result.extract(result_id);
    if (node.empty()) return;
    for (const std::string& id : node.mapped()) {
      auto key = s.keys.find(id);
      if (key == s.keys.end()) continue;
      std::erase_if(key->second.results, [&](const CacheResult& r) { return r.id == result_id; });
      Prune(s, id, removed);
    }
  });
  if (persister_ == nullptr) return;
  persister_->ResultRemoved(result_id);
  for (const RemovedLink& gone : removed) {
    if (!IsRandom(gone.id) && !IsRandom(gone.target)) persister_->LinkRemoved(gone.id, gone.link, gone.target);
  }
}

bool MemoryCacheKeyStorage::Exists(const std::string& id) {
  return state_.With([&](State& s) {
    auto it = s.keys.find(id);
    return it != s.keys.end() && !it->second.empty();
  });
}

std::vector<std::string> MemoryCacheKeyStorage::Ids() {
  return state_.With([](State& s) {
    std::vector<std::string> ids;
    ids.reserve(s.keys.size());
    for (const auto& [id, key] : s.keys) ids.push_back(id);
    return ids;
  });
}

std::vector<std::pair<std::string, CacheLink>> MemoryCacheKeyStorage::Backlinks(const std::string& id) {
  return state_.With([&](State& s) {
    std::vector<std::pair<std::string, CacheLink>> found;
    auto key = s.keys.find(id);
    if (key == s.keys.end()) return found;
    for (const std::string& parent : key->second.backlinks) {
      auto up = s.keys.find(parent);
      if (up == s.keys.end()) continue;
      for (const auto& [link, targets] : up->second.links) {
        if (targets.contains(id)) found.emplace_back(parent, link);
      }
    }
    return found;
  });
}

std::vector<std::string> MemoryCacheKeyStorage::IdsByResult(const std::string& result_id) {
  return state_.With([&](State& s) -> std::vector<std::string> {
    auto keys = s.keys_of_result.find(result_id);
    if (keys == s.keys_of_result.end()) return {};
    return {keys->second.begin(), keys->second.end()};
  });
}

void MemoryCacheKeyStorage::Flush() {
  if (persister_ != nullptr) persister_->Flush();
}

void MemoryCacheKeyStorage::RestoreLink(const std::string& id, const CacheLink& link, const std::string& target) {
  state_.With([&](State& s) { InsertLink(s, id, link, target); });
}

void MemoryCacheKeyStorage::RestoreResult(const std::string& id, const CacheResult& result) {
  state_.With([&](State& s) { InsertResult(s, id, result); });
}

}  // namespace bk::solver
