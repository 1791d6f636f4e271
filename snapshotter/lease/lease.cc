#include "snapshotter/lease/lease.h"

#include <iterator>

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
  bool known = state_.With([&](const State& s) { return s.by_id.contains(id); });
  return known ? DropWith(id, {}) : absl::OkStatus();
}

absl::Status Leases::DropWith(const std::string& id, std::vector<meta::Statement> more) {
  state_.With([&](State& s) {
    auto it = s.by_id.find(id);
    if (it == s.by_id.end()) return;
    for (const Digest& digest : it->second) {
      if (--s.holders[digest] == 0) s.holders.erase(digest);
    }
    s.by_id.erase(it);
  });
  more.push_back({"DELETE FROM leases WHERE id=?", {id}});
  return db_->Write(std::move(more));
}

absl::Status Leases::Replace(const std::string& id, const std::set<Digest>& digests) {
  BK_RETURN_IF_ERROR(ReplaceWith(id, digests, {}));
  return db_->Sync();
}

absl::Status Leases::ReplaceWith(const std::string& id, const std::set<Digest>& digests, std::vector<meta::Statement> more) {
  std::vector<meta::Statement> statements = {{"DELETE FROM leases WHERE id=?", {id}}};
  for (const Digest& digest : digests) statements.push_back({"INSERT OR IGNORE INTO leases VALUES(?,?)", {id, digest.str()}});
  std::move(more.begin(), more.end(), std::back_inserter(statements));
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
  return absl::OkStatus();
}

std::map<std::string, std::set<Digest>> Leases::List(const std::string& prefix) const {
  return state_.With([&](const State& s) {
    std::map<std::string, std::set<Digest>> found;
    for (auto it = s.by_id.lower_bound(prefix); it != s.by_id.end() && it->first.starts_with(prefix); ++it) found.insert(*it);
    return found;
  });
}

absl::Status Leases::DropAll(const std::string& prefix) {
  for (const auto& [id, digests] : List(prefix)) BK_RETURN_IF_ERROR(Drop(id));
  return absl::OkStatus();
}

bool Leases::Holds(const Digest& digest) const {
  return state_.With([&](const State& s) { return s.holders.contains(digest); });
}

}  // namespace bk::lease
