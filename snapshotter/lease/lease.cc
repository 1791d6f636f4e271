#include "snapshotter/lease/lease.h"

namespace bk::lease {

absl::Status Leases::Load() {
  return db_->Query("SELECT id,digest FROM leases", {}, [&](const meta::Row& row) {
    auto digest = Digest::Parse(row.Text(1));
    if (!digest.ok()) return;
    state_.With([&](State& s) {
      if (s.by_id[row.Text(0)].insert(*digest).second) s.holders[*digest]++;
    });
  });
}

absl::Status Leases::Keep(const std::string& id, const Digest& digest) {
  bool fresh = state_.With([&](State& s) {
    bool added = s.by_id[id].insert(digest).second;
    if (added) s.holders[digest]++;
    return added;
  });
  return fresh ? db_->Run("INSERT OR IGNORE INTO leases VALUES(?,?)", {id, digest.str()}) : absl::OkStatus();
}

absl::Status Leases::Drop(const std::string& id) {
  bool known = state_.With([&](State& s) {
    auto it = s.by_id.find(id);
    if (it == s.by_id.end()) return false;
    for (const Digest& digest : it->second) {
      if (--s.holders[digest] == 0) s.holders.erase(digest);
    }
    s.by_id.erase(it);
    return true;
  });
  return known ? db_->Run("DELETE FROM leases WHERE id=?", {id}) : absl::OkStatus();
}

bool Leases::Holds(const Digest& digest) const {
  return state_.With([&](const State& s) { return s.holders.contains(digest); });
}

}  // namespace bk::lease
