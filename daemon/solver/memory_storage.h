// Cache keys in memory. Ids that begin with "random:" belong to one session and are never given to `persist` (trap 12).
#pragma once

#include <map>
#include <set>
#include <unordered_map>

#include "base/guarded.h"
#include "daemon/solver/cache_storage.h"

namespace bk::solver {

class MemoryCacheKeyStorage : public CacheKeyStorage {
 public:
  // Told about every change that must survive a restart, outside of any lock, in order of the calls of one thread.
  struct Persister {
    virtual ~Persister() = default;
    virtual void LinkAdded(const std::string& id, const CacheLink& link, const std::string& target) = 0;
    virtual void ResultAdded(const std::string& id, const CacheResult& result) = 0;
    virtual void ResultRemoved(const std::string& result_id) = 0;
  };
  explicit MemoryCacheKeyStorage(Persister* persister = nullptr) : persister_(persister) {}

  std::vector<std::string> Links(const std::string& id, const CacheLink& link) override;
  void AddLink(const std::string& id, const CacheLink& link, const std::string& target) override;
  std::vector<CacheResult> Results(const std::string& id) override;
  void AddResult(const std::string& id, const CacheResult& result) override;
  void RemoveResult(const std::string& result_id) override;
  // As the Add calls, without telling the persister (start-up).
  void RestoreLink(const std::string& id, const CacheLink& link, const std::string& target);
  void RestoreResult(const std::string& id, const CacheResult& result);

 private:
  struct State {
    std::unordered_map<std::string, std::map<CacheLink, std::set<std::string>>> links;
    std::unordered_map<std::string, std::vector<CacheResult>> results;      // newest first
    std::unordered_map<std::string, std::set<std::string>> keys_of_result;  // result id → key ids
  };
  static bool InsertLink(State& s, const std::string& id, const CacheLink& link, const std::string& target);
  static bool InsertResult(State& s, const std::string& id, const CacheResult& result);
  Guarded<State> state_;
  Persister* persister_;
};

}  // namespace bk::solver
