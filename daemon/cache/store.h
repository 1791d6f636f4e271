// The daemon's state directory: database, blobs, snapshots and the records over them, opened and recovered as one.
//
// Layout and recovery: docs/store.md. Thread-safe.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "daemon/cache/known_values.h"
#include "daemon/cache/ref.h"
#include "daemon/solver/cache_storage.h"
#include "snapshotter/content/content_store.h"
#include "snapshotter/lease/lease.h"

namespace bk::cache {

struct StoreOptions {
  std::string root;
  std::string snapshotter = "auto";
  // Called once the directory is this process's alone and before anything in it is removed: who else still writes into trees
  // (steps of a daemon that crashed) ends here. An error ends Open.
  std::function<absl::Status()> before_recovery;
};

class Store {
 public:
  virtual ~Store() = default;
  // Opens, removes what a crash left behind, and says which snapshotter was chosen and why. One process at a time:
  // FailedPrecondition while another one has it open.
  static absl::StatusOr<std::unique_ptr<Store>> Open(const StoreOptions& options);

  virtual CacheManager& manager() = 0;
  virtual content::ContentStore& content() = 0;
  virtual lease::Leases& leases() = 0;
  virtual solver::CacheKeyStorage& keys() = 0;
  virtual KnownValues& known() = 0;
  virtual meta::Database& database() = 0;
  // Removes the blob unless a record or a lease keeps it. Not while somebody uses blobs that nothing keeps yet (ContentStore::Use).
  virtual absl::Status RemoveUnkeptBlob(const Digest& digest) = 0;
  virtual std::string snapshotter_name() const = 0;
  virtual std::string snapshotter_reason() const = 0;
};

}  // namespace bk::cache
