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
  // Told about every change that must survive a restart, outside of any lock, in order of the calls of one thread. Calls
  // must not block (the scheduler makes some): they may queue what Flush waits for.
  struct Persister {
    virtual ~Persister() = default;
    virtual void LinkAdded(const std::string& id, const CacheLink& link, const std::string& target) = 0;
    virtual void ResultAdded(const std::string& id, const CacheResult& result) = 0;
    virtual void ResultRemoved(const std::string& result_id) = 0;
    // Nothing hangs on `target` any more.
    virtual void LinkRemoved(const std::string& /*id*/, const CacheLink& /*link*/, const std::string& /*target*/) {}
    // Returns when what was told before survives the end of the process.
    virtual void Flush() {}
  };
  explicit MemoryCacheKeyStorage(Persister* persister = nullptr) : persister_(persister) {}

  std::vector<std::string> Links(const std::string& id, const CacheLink& link) override;
  void AddLink(const std::string& id, const CacheLink& link, const std::string& target) override;
  std::vector<CacheResult> Results(const std::string& id) override;
  void AddResult(const std::string& id, const CacheResult& result) override;
  void RemoveResult(const std::string& result_id) override;
  bool Exists(const std::string& id) override;
  std::vector<std::string> Ids() override;
  std::vector<std::pair<std::string, CacheLink>> Backlinks(const std::string& id) override;
  std::vector<std::string> IdsByResult(const std::string& result_id) override;
  void Flush() override;
  // As the Add calls, without telling the persister (start-up).
  void RestoreLink(const std::string& id, const CacheLink& link, const std::string& target);
  void RestoreResult(const std::string& id, const CacheResult& result);

 private:
  struct Key {
    std::map<CacheLink, std::set<std::string>> links;
    std::set<std::string> backlinks;   // keys that lead here
    std::vector<CacheResult> results;  // newest first
    bool empty() const { return links.empty() && results.empty(); }
  };
  struct State {
    std::unordered_map<std::string, Key> keys;
    std::unordered_map<std::string, std::set<std::string>> keys_of_result;  // result id → key ids
  };
  static bool InsertLink(State& s, const std::string& id, const CacheLink& link, const std::string& target);
  static bool InsertResult(State& s, const std::string& id, const CacheResult& result);
  struct RemovedLink {
    std::string id;
    CacheLink link;
    std::string target;
  };
  static void Prune(State& s, const std::string& id, std::vector<RemovedLink>& removed);
  Guarded<State> state_;
  Persister* persister_;
};

}  // namespace bk::solver
