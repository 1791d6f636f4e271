// Who keeps blobs besides the cache's own records: named leases, each a set of digests (docs/store.md#collection).
//
// Leases are rows of the store's database, all of them in memory. Thread-safe.
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "base/digest.h"
#include "base/guarded.h"
#include "snapshotter/meta/database.h"

namespace bk::lease {

// Leases of images that are kept by name begin with this.
inline constexpr char kImagePrefix[] = "image/";
// Those of documents of images that builds have resolved, for builds that may not ask for them again.
inline constexpr char kKnownPrefix[] = "known/";
// Those of records of builds.
inline constexpr char kHistoryPrefix[] = "history/";

class Leases {
 public:
  explicit Leases(meta::Database* db) : db_(db) {}
  absl::Status Load();
  // `id` keeps the blob until it is dropped; committed when it returns.
  absl::Status Keep(const std::string& id, const Digest& digest);
  absl::Status Drop(const std::string& id);  // missing is fine
  // `id` keeps exactly these from now on; durable when it returns.
  absl::Status Replace(const std::string& id, const std::set<Digest>& digests);
  // The same in one transaction with `more`; committed when it returns.
  absl::Status ReplaceWith(const std::string& id, const std::set<Digest>& digests, std::vector<meta::Statement> more);
  absl::Status DropWith(const std::string& id, std::vector<meta::Statement> more);
  // The leases whose id begins with `prefix`, and what they keep.
  std::map<std::string, std::set<Digest>> List(const std::string& prefix) const;
  // Drops every lease whose id begins with `prefix` (those of a crashed daemon).
  absl::Status DropAll(const std::string& prefix);
  bool Holds(const Digest& digest) const;

 private:
  struct State {
    std::map<std::string, std::set<Digest>> by_id;
    std::map<Digest, int> holders;
  };
  meta::Database* const db_;
  Guarded<State> state_;
};

}  // namespace bk::lease
