#include "daemon/ops/cache_mounts.h"

#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "base/log.h"
#include "base/os/file.h"
#include "sandbox/exec/leftovers.h"

namespace bk::ops {
namespace {

constexpr std::chrono::milliseconds kLockedPoll{100};

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

CacheMountUse::~CacheMountUse() {
  if (shared_) owner_->EndShared(key_);
}

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
  exec::UnmountBelow(mounts_dir_);
  for (const std::string& name : *left) {
    // Never what is below: it may be a tree that is mounted still.
    if (std::string path = StrCat(mounts_dir_, "/", name); rmdir(path.c_str()) < 0) log::Warning(StrCat("a cache mount that an earlier daemon left was not removed: ", path), {{"error", strerror(errno)}});
  }
}

std::string CacheMounts::KeyOf(const CacheMountRequest& request) {
  return request.parent == nullptr ? request.id : StrCat(request.id, ":", request.parent->Id());
}

absl::StatusOr<CacheMountPtr> CacheMounts::Get(const CancelToken& cancel, const cache::FetchContext& fetch, const CacheMountRequest& request) {
  std::string key = KeyOf(request);
  if (request.sharing == CacheSharing::kShared) return GetShared(cancel, fetch, request, key);
  while (true) {
    BK_RETURN_IF_ERROR(cancel.Check());
    {
      Turn turn(state_, key);
      bool locked = false;
      BK_TRY(cache::MutablePtr ref, FindOrMake(cancel, fetch, request, key, locked));
      if (ref != nullptr) {
        CacheMountPtr use(new CacheMountUse);
        use->owner_ = this;
        use->key_ = key;
        use->own_ = std::make_unique<CacheMountUse::Tree>();
        use->own_->ref = std::move(ref);
        use->tree_ = use->own_.get();
        return use;
      }
    }
    BK_RETURN_IF_ERROR(cancel.SleepFor(kLockedPoll));
  }
}

absl::StatusOr<CacheMountPtr> CacheMounts::GetShared(const CancelToken& cancel, const cache::FetchContext& fetch, const CacheMountRequest& request, const std::string& key) {
  Turn turn(state_, key);
  CacheMountPtr use(new CacheMountUse);
  use->key_ = key;
  auto join = [&](State& s) {
    auto it = s.shares.find(key);
    if (it == s.shares.end()) return false;
    it->second.uses++;
    use->tree_ = it->second.tree.get();
    return true;
  };
  if (!state_.With(join)) {
    bool locked = false;
    BK_TRY(cache::MutablePtr ref, FindOrMake(cancel, fetch, request, key, locked));
    auto tree = std::make_unique<CacheMountUse::Tree>();
    tree->ref = std::move(ref);
    state_.With([&](State& s) { s.shares[key] = {std::move(tree), 0}; });
    state_.With(join);
  }
  use->owner_ = this;
  use->shared_ = true;
  return use;
}

// Null when `request` wants the locked tree and that is in use.
absl::StatusOr<cache::MutablePtr> CacheMounts::FindOrMake(const CancelToken& cancel, const cache::FetchContext& fetch, const CacheMountRequest& request, const std::string& key, bool& locked) {
  std::string index = StrCat("cache-dir:", key);
  for (const std::string& id : cache_->FindMutable(index)) {
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

void CacheMounts::EndShared(const std::string& key) {
  bool last = state_.With([&](State& s) { return s.shares[key].uses > 1 ? (s.shares[key].uses--, false) : true; });
  if (!last) return;
  // The tree is given back within the key's turn: whoever comes next finds it free.
  Turn turn(state_, key);
  std::unique_ptr<CacheMountUse::Tree> ended;
  state_.With([&](State& s) {
    auto it = s.shares.find(key);
    if (it == s.shares.end() || --it->second.uses > 0) return;
    ended = std::move(it->second.tree);
    s.shares.erase(it);
  });
}

}  // namespace bk::ops
