// Directories of RUN --mount=type=cache: writable trees by key that outlive their builds.
//
// shared: all steps of the daemon that use a key at one time get the same tree. private: a free one or a new one. locked:
// the one there is, waited for. A tree is free again when its last use ends, on every path. A dropped key starts anew: free
// trees go at once, those in use with their last use. An overlay is mounted once, in the directory of mounts, and shown by
// binds of it: what two overlays of one upper directory do is undefined (Documentation/filesystems/overlayfs.rst,
// "Sharing and copying layers"). Thread-safe.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/guarded.h"
#include "base/os/mount.h"
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
  const cache::MutableRef& ref() const { return *tree_->ref; }
  // What shows the tree for as long as this use lives.
  absl::StatusOr<std::vector<os::Mount>> Show(const CancelToken& cancel, const cache::FetchContext& fetch, bool readonly) const;

 private:
  friend class CacheMounts;
  struct Tree {
    cache::MutablePtr ref;
    std::unique_ptr<cache::ActiveMount> active;  // null: nobody has seen it yet
    std::optional<os::TempMount> place;          // where an overlay is mounted
    int uses = 1;                                // guarded by the owner's state
  };
  CacheMountUse() = default;
  CacheMounts* owner_ = nullptr;
  std::string key_;
  std::shared_ptr<Tree> tree_;
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
  // Mounts what has to be mounted below `mounts_dir` (made when needed; what a crashed daemon left there is unmounted).
  CacheMounts(cache::CacheManager* cache, std::string mounts_dir);
  // The key: the id, and the parent if there is one.
  static std::string KeyOf(const CacheMountRequest& request);
  // Blocks while a locked tree is in use elsewhere.
  absl::StatusOr<CacheMountPtr> Get(const CancelToken& cancel, const cache::FetchContext& fetch, const CacheMountRequest& request);
  // Nobody finds the trees of `id` any more: those without a parent, or with `on_input` those with one.
  absl::Status Drop(const CancelToken& cancel, const std::string& id, bool on_input);

 private:
  friend class CacheMountUse;
  using TreePtr = std::shared_ptr<CacheMountUse::Tree>;
  struct State {
    std::map<std::string, TreePtr> shares;  // trees in shared use by key
    std::set<std::string> busy;             // keys that one thread searches, makes or gives back
    std::set<std::string> dropped;          // ids of trees that go with their last use
  };
  class Turn;  // the right to work on one key
  CacheMountPtr Use(const std::string& key, TreePtr tree);
  absl::StatusOr<cache::MutablePtr> FindOrMake(const CancelToken& cancel, const cache::FetchContext& fetch, const CacheMountRequest& request, const std::string& key);
  void End(const std::string& key, TreePtr tree);
  // True if the tree was dropped; it is destroyed then, unless it is in use.
  bool EndDropped(const CancelToken& cancel, const std::string& id);

  cache::CacheManager* cache_;
  const std::string mounts_dir_;
  Guarded<State> state_;
};

}  // namespace bk::ops
