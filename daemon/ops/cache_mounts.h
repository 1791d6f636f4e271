// Directories of RUN --mount=type=cache: writable trees by key that outlive their builds.
//
// shared: all steps of the daemon that use a key at one time get the same tree. private: a free one or a new one. locked:
// the one there is, waited for. A tree is free again when its last use ends, on every path. Thread-safe.
#pragma once

#include <map>
#include <memory>
#include <set>
#include <string>

#include "base/guarded.h"
#include "daemon/cache/ref.h"

namespace bk::ops {

enum class CacheSharing { kShared, kPrivate, kLocked };

class CacheMounts;

// One use of a tree; the use ends with the last copy of the pointer.
class CacheMountUse {
 public:
  ~CacheMountUse();
  CacheMountUse(const CacheMountUse&) = delete;
  CacheMountUse& operator=(const CacheMountUse&) = delete;
  const cache::MutableRef& ref() const { return *ref_; }

 private:
  friend class CacheMounts;
  CacheMountUse() = default;
  CacheMounts* owner_ = nullptr;
  std::string key_;
  bool shared_ = false;
  cache::MutableRef* ref_ = nullptr;
  cache::MutablePtr own_;  // unless shared
};
using CacheMountPtr = std::shared_ptr<CacheMountUse>;

struct CacheMountRequest {
  std::string id;
  cache::ImmutablePtr parent;  // null: an empty tree
  CacheSharing sharing = CacheSharing::kShared;
  std::string description;
};

// Must outlive the uses.
class CacheMounts {
 public:
  explicit CacheMounts(cache::CacheManager* cache) : cache_(cache) {}
  // The key: the id, and the parent if there is one.
  static std::string KeyOf(const CacheMountRequest& request);
  // Blocks while a locked tree is in use elsewhere.
  absl::StatusOr<CacheMountPtr> Get(const CancelToken& cancel, const cache::FetchContext& fetch, const CacheMountRequest& request);

 private:
  friend class CacheMountUse;
  struct Share {
    cache::MutablePtr ref;
    int uses = 0;
  };
  struct State {
    std::map<std::string, Share> shares;
    std::set<std::string> busy;  // keys that one thread searches, makes or gives back
  };
  class Turn;  // the right to work on one key
  absl::StatusOr<CacheMountPtr> GetShared(const CancelToken& cancel, const cache::FetchContext& fetch, const CacheMountRequest& request, const std::string& key);
  absl::StatusOr<cache::MutablePtr> FindOrMake(const CancelToken& cancel, const cache::FetchContext& fetch, const CacheMountRequest& request, const std::string& key, bool& locked);
  void EndShared(const std::string& key);

  cache::CacheManager* cache_;
  Guarded<State> state_;
};

}  // namespace bk::ops
