#include "daemon/ops/cache_mounts.h"

#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "base/log.h"
#include "base/os/file.h"
#include "base/os/unmount_below.h"

namespace bk::ops {
namespace {

constexpr std::chrono::milliseconds kLockedPoll{100};

std::string IndexOf(const std::string& key) { return StrCat("cache-dir:", key); }

}  // namespace

// Keys are worked on by one thread at a time, so that two steps never make two trees of one key; nothing is locked
// while the cache is asked.
class CacheMounts::Turn {
 public:
  Turn(Guarded<State>& state, const std::string& key) : state_(state), key_(key) {
    state_.WaitThen([&](State& s) { return !s.busy.contains(key_); }, [&](State& s) { s.busy.insert(key_); });
  }
  ~Turn() {
    state_.Change([&](State& s) { s.busy.erase(key_); });
  }

 private:
  Guarded<State>& state_;
  std::string key_;
};

CacheMountUse::~CacheMountUse() { owner_->End(key_, std::move(tree_)); }

absl::StatusOr<std::vector<os::Mount>> CacheMountUse::Show(const CancelToken& cancel, const cache::FetchContext& fetch, bool readonly) const {
  CacheMounts::Turn turn(owner_->state_, key_);
  if (tree_->active == nullptr) {
    BK_TRY(auto active, tree_->ref->Mount(cancel, fetch, false));
    if (active->mounts().size() != 1 || active->mounts()[0].type != "bind") {
      BK_RETURN_IF_ERROR(os::MakeDirs(owner_->mounts_dir_, 0700));
      BK_TRY(os::TempMount place, os::TempMount::Make(active->mounts(), owner_->mounts_dir_));
      tree_->place.emplace(std::move(place));
    }
    tree_->active = std::move(active);
  }
  std::vector<os::Mount> mounts = tree_->active->mounts();
  if (tree_->place) mounts = {{"bind", tree_->place->path(), {"rbind", "rw"}}};
  if (readonly) {
    for (os::Mount& mount : mounts) {
      std::erase(mount.options, "rw");
      mount.options.push_back("ro");
    }
  }
  return mounts;
}

CacheMounts::CacheMounts(cache::CacheManager* cache, std::string mounts_dir) : cache_(cache), mounts_dir_(std::move(mounts_dir)) {
  auto left = os::ListDir(mounts_dir_);
  if (!left.ok() || left->empty()) return;
  os::UnmountBelow(mounts_dir_);
  for (const std::string& name : *left) {
    // Never what is below: it may be a tree that is mounted still.
    if (std::string path = StrCat(mounts_dir_, "/", name); rmdir(path.c_str()) < 0) log::Warning(StrCat("a cache mount that an earlier daemon left was not removed: ", path), {{"error", strerror(errno)}});
  }
}

std::string CacheMounts::KeyOf(const CacheMountRequest& request) {
  return request.parent == nullptr ? request.id : StrCat(request.id, ":", request.parent->Id());
}

CacheMountPtr CacheMounts::Use(const std::string& key, TreePtr tree) {
  CacheMountPtr use(new CacheMountUse);
  use->owner_ = this;
  use->key_ = key;
  use->tree_ = std::move(tree);
  return use;
}

absl::StatusOr<CacheMountPtr> CacheMounts::Get(const CancelToken& cancel, const cache::FetchContext& fetch, const CacheMountRequest& request) {
  std::string key = KeyOf(request);
  bool shared = request.sharing == CacheSharing::kShared;
  while (true) {
    BK_RETURN_IF_ERROR(cancel.Check());
    {
      Turn turn(state_, key);
      TreePtr tree = state_.With([&](State& s) -> TreePtr {
        auto it = s.shares.find(key);
        if (!shared || it == s.shares.end()) return nullptr;
        it->second->uses++;
        return it->second;
      });
      if (tree != nullptr) return Use(key, std::move(tree));
      BK_TRY(cache::MutablePtr ref, FindOrMake(cancel, fetch, request, key));
      if (ref != nullptr) {
        tree = std::make_shared<CacheMountUse::Tree>();
        tree->ref = std::move(ref);
        state_.With([&](State& s) {
          if (shared && !s.dropped.contains(tree->ref->Id())) s.shares[key] = tree;
        });
        return Use(key, std::move(tree));
      }
    }
    BK_RETURN_IF_ERROR(cancel.SleepFor(kLockedPoll));
  }
}

// Null when `request` wants the locked tree and that is in use.
absl::StatusOr<cache::MutablePtr> CacheMounts::FindOrMake(const CancelToken& cancel, const cache::FetchContext& fetch, const CacheMountRequest& request, const std::string& key) {
  std::string index = IndexOf(key);
  bool locked = false;
  for (const std::string& id : cache_->FindMutable(index)) {
    if (EndDropped(cancel, id)) continue;
    auto ref = cache_->GetMutable(cancel, id);
    if (ref.ok()) return ref;
    if (absl::IsFailedPrecondition(ref.status())) {
      locked = true;
    } else if (!absl::IsNotFound(ref.status())) {
      log::Warning(StrCat("cache mount ", request.id, ": ", Message(ref.status())));
    }
  }
  if (locked && request.sharing == CacheSharing::kLocked) return cache::MutablePtr();
  cache::NewOptions options{request.description, cache::RecordType::kCacheMount, true};
  BK_TRY(cache::MutablePtr made, cache_->New(cancel, fetch, request.parent, options));
  if (auto set = made->SetIndex(index); !set.ok()) {
    (void)made->Destroy();
    return set;
  }
  return made;
}

void CacheMounts::End(const std::string& key, TreePtr tree) {
  // Whoever is not the last lets go of the tree under the lock too: the last one's must be the only handle.
  if (state_.With([&](State&) { return tree->uses > 1 ? (tree->uses--, tree.reset(), true) : false; })) return;
  // The tree is given back within the key's turn: whoever comes next finds it free.
  Turn turn(state_, key);
  bool last = false, dropped = false;
  state_.With([&](State& s) {
    last = --tree->uses == 0;
    if (!last) return tree.reset();
    if (auto it = s.shares.find(key); it != s.shares.end() && it->second == tree) s.shares.erase(it);
    dropped = s.dropped.erase(tree->ref->Id()) > 0;
  });
  if (!last) return;
  tree->place.reset();
  tree->active.reset();
  if (auto gone = dropped ? tree->ref->Destroy() : absl::OkStatus(); !gone.ok()) log::Warning(StrCat("cache mount ", key, ": ", Message(gone)));
  tree.reset();
}

absl::Status CacheMounts::Drop(const CancelToken& cancel, const std::string& id, bool on_input) {
  std::vector<std::string> trees = on_input ? cache_->FindMutableBelow(IndexOf(id)) : cache_->FindMutable(IndexOf(id));
  state_.With([&](State& s) {
    s.dropped.insert(trees.begin(), trees.end());
    std::erase_if(s.shares, [&](const auto& share) { return s.dropped.contains(share.second->ref->Id()); });
  });
  for (const std::string& tree : trees) {
    BK_RETURN_IF_ERROR(cancel.Check());
    EndDropped(cancel, tree);
  }
  return absl::OkStatus();
}

bool CacheMounts::EndDropped(const CancelToken& cancel, const std::string& id) {
  if (!state_.With([&](State& s) { return s.dropped.contains(id); })) return false;
  auto ref = cache_->GetMutable(cancel, id);
  if (!ref.ok() && !absl::IsNotFound(ref.status())) return true;
  if (ref.ok()) {
    if (auto gone = (*ref)->Destroy(); !gone.ok()) log::Warning(StrCat("cache mount ", id, ": ", Message(gone)));
  }
  state_.With([&](State& s) { s.dropped.erase(id); });
  return true;
}

}  // namespace bk::ops
