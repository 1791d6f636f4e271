#include "daemon/cache/known_values.h"

#include <algorithm>

namespace bk::cache {
namespace {

std::string LeaseOf(const std::string& name, const std::string& value) { return StrCat(lease::kKnownPrefix, name, "=", value); }

}  // namespace

absl::Status KnownValues::Load() {
  // Oldest first, as they were noted.
  return db_->Query("SELECT name,value,used FROM known_values ORDER BY used", {}, [&](const meta::Row& row) {
    state_.With([&](State& s) {
      Note(s, row.Text(0), row.Text(1));
      s.last = s.names[row.Text(0)].used = std::max(s.last, row.Int(2));
    });
  });
}

std::vector<std::string> KnownValues::Find(const std::string& name) const {
  return state_.With([&](const State& s) {
    auto found = s.names.find(name);
    return found == s.names.end() ? std::vector<std::string>() : found->second.values;
  });
}

std::vector<KnownValues::Dropped> KnownValues::Note(State& s, const std::string& name, const std::string& value) {
  std::vector<Dropped> dropped;
  Name& known = s.names[name];
  std::erase(known.values, value);
  known.values.insert(known.values.begin(), value);
  known.used = ++s.last;
  if (known.values.size() > kMaxValues) {
    dropped.push_back({name, known.values.back()});
    known.values.pop_back();
  }
  if (s.names.size() > kMaxNames) {
    auto oldest = std::min_element(s.names.begin(), s.names.end(), [](const auto& a, const auto& b) { return a.second.used < b.second.used; });
    for (const std::string& old : oldest->second.values) dropped.push_back({oldest->first, old});
    s.names.erase(oldest);
  }
  return dropped;
}

void KnownValues::Remember(const std::string& name, const std::string& value) {
  std::vector<Dropped> dropped;
  int64_t used = state_.With([&](State& s) -> int64_t {
    // A name that is asked for all the time is not written each time; its place among a thousand is near enough.
    auto found = s.names.find(name);
    if (found != s.names.end() && found->second.values[0] == value && s.last - found->second.used < static_cast<int64_t>(kMaxNames / 4)) return 0;
    dropped = Note(s, name, value);
    return s.last;
  });
  if (used == 0) return;
  std::vector<meta::Statement> statements = {{"INSERT OR REPLACE INTO known_values VALUES(?,?,?)", {name, value, used}}};
  for (const Dropped& one : dropped) statements.push_back({"DELETE FROM known_values WHERE name=? AND value=?", {one.name, one.value}});
  db_->Post(std::move(statements));
  for (const Dropped& one : dropped) leases_->Drop(LeaseOf(one.name, one.value)).IgnoreError();
}

absl::Status KnownValues::RememberWith(const std::string& name, const std::string& value, const std::vector<Digest>& documents) {
  for (const Digest& document : documents) BK_RETURN_IF_ERROR(leases_->Keep(LeaseOf(name, value), document));
  Remember(name, value);
  return absl::OkStatus();
}

}  // namespace bk::cache
