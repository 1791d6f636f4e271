#include "snapshotter/lease/lease.h"

#include <vector>

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

absl::Status Leases::Replace(const std::string& id, const std::set<Digest>& digests) {
  std::vector<meta::Statement> statements = {{"DELETE FROM leases WHERE id=?", {id}}};
  for (const Digest& digest : digests) statements.push_back({"INSERT OR IGNORE INTO leases VALUES(?,?)", {id, digest.str()}});
  // The new ones are held before the old ones are let go.
  state_.With([&](State& s) {
    std::set<Digest>& held = s.by_id[id];
    for (const Digest& digest : digests) {
      if (held.insert(digest).second) s.holders[digest]++;
    }
  });
  BK_RETURN_IF_ERROR(db_->Write(std::move(statements)));
  state_.With([&](State& s) {
    std::set<Digest>& held = s.by_id[id];
    for (auto it = held.begin(); it != held.end();) {
      if (digests.contains(*it)) {
        ++it;
        continue;
      }
      if (--s.holders[*it] == 0) s.holders.erase(*it);
      it = held.erase(it);
    }
    if (held.empty()) s.by_id.erase(id);
  });
  return db_->Sync();
}

absl::Status Leases::DropAll(const std::string& prefix) {
  std::vector<std::string> ids = state_.With([&](const State& s) {
    std::vector<std::string> found;
    for (auto it = s.by_id.lower_bound(prefix); it != s.by_id.end() && it->first.starts_with(prefix); ++it) found.push_back(it->first);
    return found;
  });
  for (const std::string& id : ids) BK_RETURN_IF_ERROR(Drop(id));
  return absl::OkStatus();
}

bool Leases::Holds(const Digest& digest) const {
  return state_.With([&](const State& s) { return s.holders.contains(digest); });
}

}  // namespace bk::lease
