#include "daemon/cache/store.h"

#include <fcntl.h>
#include <sys/file.h>

#include <cerrno>

#include "base/log.h"
#include "base/os/file.h"
#include "base/os/unmount_below.h"
#include "daemon/cache/manager.h"
#include "daemon/solver/memory_storage.h"

namespace bk::cache {
namespace {

// Cache keys on disk: all of them are in memory, changes go to the database as they are made.
class KeyPersister : public solver::MemoryCacheKeyStorage::Persister {
 public:
  explicit KeyPersister(meta::Database* db) : db_(db) {}
  void LinkAdded(const std::string& id, const solver::CacheLink& link, const std::string& target) override {
    db_->Post({{"INSERT OR IGNORE INTO links VALUES(?,?,?,?,?,?)", {id, int64_t{link.input}, int64_t{link.output}, link.digest, link.selector, target}}});
  }
  void ResultAdded(const std::string& id, const solver::CacheResult& result) override {
    db_->Post({{"INSERT OR REPLACE INTO results VALUES(?,?,?)", {id, result.id, result.created_ns}}});
  }
  // When it went is kept for those whose steps run again.
  void ResultRemoved(const std::string& result_id) override {
    db_->Post({{"DELETE FROM results WHERE result=?", {result_id}}, {"INSERT OR REPLACE INTO explain_removed VALUES(?,?)", {result_id, solver::NowNs()}}});
  }
  void LinkRemoved(const std::string& id, const solver::CacheLink& link, const std::string& target) override {
    db_->Post({{"DELETE FROM links WHERE id=? AND input=? AND output=? AND digest=? AND selector=? AND target=?",
                {id, int64_t{link.input}, int64_t{link.output}, link.digest, link.selector, target}}});
  }
  // The queue keeps its order: what was told before is committed when this returns. A step is told to be done only then.
  void Flush() override {
    absl::Status status = db_->Write({});
    if (!status.ok()) log::Warning("keys of the cache were not written", {{"error", Message(status)}});
  }

 private:
  meta::Database* db_;
};

absl::StatusOr<os::UniqueFd> LockRoot(const std::string& root) {
  std::string path = root + "/buildkitd.lock";
  BK_TRY(os::UniqueFd lock, os::Open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  if (flock(lock.get(), LOCK_EX | LOCK_NB) == 0) return lock;
  if (errno == EWOULDBLOCK) return FailedPrecondition("could not lock ", path, ", another daemon uses this directory (end it, or use another --root)");
  return ErrnoError(errno, StrCat("lock ", path));
}

// Temporary files and mounts of this daemon alone ($TMPDIR): what is there when it starts is an earlier daemon's, which crashed.
absl::Status EmptyTemporary(const std::string& dir) {
  if (!os::UnmountBelow(dir)) return FailedPrecondition("cannot unmount what a crashed daemon left in ", Quote(dir), " (unmount it by hand)");
  BK_RETURN_IF_ERROR(os::RemoveAll(dir));
  return os::MakeDirs(dir, 0700);
}

class DiskStore : public Store {
 public:
  absl::Status Init(const StoreOptions& options) {
    BK_RETURN_IF_ERROR(os::MakeDirs(options.root, 0700));
    BK_ASSIGN(lock_, LockRoot(options.root));
    if (options.before_recovery) BK_RETURN_IF_ERROR(options.before_recovery());
    BK_RETURN_IF_ERROR(EmptyTemporary(options.root + "/tmp"));
    BK_ASSIGN(db_, meta::Database::Open(options.root + "/store.db"));
    BK_ASSIGN(content_, content::ContentStore::Open(options.root + "/content"));
    leases_ = std::make_unique<lease::Leases>(db_.get());
    BK_RETURN_IF_ERROR(leases_->Load());
    known_ = std::make_unique<KnownValues>(db_.get(), leases_.get());
    BK_RETURN_IF_ERROR(known_->Load());
    BK_ASSIGN(choice_, snapshotter::MakeDriver(options.snapshotter, options.root + "/snapshots"));
    manager_ = std::make_unique<Manager>(db_.get(), content_.get(), leases_.get(), choice_.driver.get(), options.root);
    BK_RETURN_IF_ERROR(manager_->Recover());
    persister_ = std::make_unique<KeyPersister>(db_.get());
    keys_ = std::make_unique<solver::MemoryCacheKeyStorage>(persister_.get());
    manager_->OnRemoved([this](const std::string& id) { keys_->RemoveResult(id); });
    return LoadKeys();
  }
  CacheManager& manager() override { return *manager_; }
  content::ContentStore& content() override { return *content_; }
  lease::Leases& leases() override { return *leases_; }
  solver::CacheKeyStorage& keys() override { return *keys_; }
  KnownValues& known() override { return *known_; }
  meta::Database& database() override { return *db_; }
  absl::Status RemoveUnkeptBlob(const Digest& digest) override {
    auto alone = content_->TryKeepUsesAway();
    return alone.owns_lock() ? manager_->RemoveBlob(digest) : absl::OkStatus();  // else the next collection does it
  }
  std::string snapshotter_name() const override { return choice_.driver->Name(); }
  std::string snapshotter_reason() const override { return choice_.reason; }

 private:
  absl::Status LoadKeys() {
    // Results whose record is gone are of no use ("" stands for an empty tree, which has none); links cost little and may lead to later results again.
    BK_RETURN_IF_ERROR(db_->Run("DELETE FROM results WHERE result<>'' AND result NOT IN (SELECT id FROM records)"));
    BK_RETURN_IF_ERROR(db_->Query("SELECT id,input,output,digest,selector,target FROM links", {}, [&](const meta::Row& row) {
      keys_->RestoreLink(row.Text(0), {static_cast<int>(row.Int(1)), static_cast<int>(row.Int(2)), row.Text(3), row.Text(4)}, row.Text(5));
    }));
    return db_->Query("SELECT id,result,created FROM results", {}, [&](const meta::Row& row) { keys_->RestoreResult(row.Text(0), {row.Text(1), row.Int(2)}); });
  }
  os::UniqueFd lock_;
  std::unique_ptr<meta::Database> db_;
  std::unique_ptr<content::ContentStore> content_;
  std::unique_ptr<lease::Leases> leases_;
  std::unique_ptr<KnownValues> known_;
  snapshotter::DriverChoice choice_;
  std::unique_ptr<KeyPersister> persister_;
  std::unique_ptr<solver::MemoryCacheKeyStorage> keys_;
  std::unique_ptr<Manager> manager_;  // tells keys_ what it removes
};

}  // namespace

absl::StatusOr<std::unique_ptr<Store>> Store::Open(const StoreOptions& options) {
  auto store = std::make_unique<DiskStore>();
  BK_RETURN_IF_ERROR(store->Init(options));
  return store;
}

}  // namespace bk::cache
