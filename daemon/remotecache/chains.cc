#include "daemon/remotecache/chains.h"

#include <algorithm>

namespace bk::remotecache {

using solver::CacheExportResult;

void CacheChains::AddResult(Item& item, const CacheExportResult& result) {
  for (const CacheExportResult& known : item.results) {
    // As the reference has it: time and number of layers decide, whatever the layers are.
    if (known.created_ns == result.created_ns && known.layers.size() == result.layers.size()) return;
  }
  item.results.push_back(result);
}

// Records of `digest` that some link of every input leads to.
std::set<CacheChains::Record> CacheChains::Matches(const std::string& digest, const std::vector<std::vector<Link>>& inputs) const {
  std::set<Record> matches;
  for (size_t i = 0; i < inputs.size(); i++) {
    std::set<Record> found;
    for (const Link& link : inputs[i]) {
      auto children = items_[link.from].children.find({link.selector, i, digest});
      if (children != items_[link.from].children.end()) found.insert(children->second.begin(), children->second.end());
    }
    if (i == 0) {
      matches = std::move(found);
    } else {
      std::erase_if(matches, [&](Record record) { return !found.contains(record); });
    }
    if (matches.empty()) break;
  }
  return matches;
}

void CacheChains::Absorb(Record into, Record from) {
  for (const auto& [name, children] : items_[from].children) {
    for (Record child : children) {
      items_[into].children[name].insert(child);
      for (auto& links : items_[child].parents) {
        std::set<std::pair<Record, std::string>> moved;
        for (const auto& [source, selector] : links) moved.emplace(source == from ? into : source, selector);
        links = std::move(moved);
      }
    }
  }
  for (const CacheExportResult& result : items_[from].results) AddResult(items_[into], result);
}

std::set<CacheChains::Record> CacheChains::Below(Record record) const {
  std::set<Record> seen;
  std::vector<Record> pending = {record};
  while (!pending.empty()) {
    Record next = pending.back();
    pending.pop_back();
    if (!seen.insert(next).second) continue;
    for (const auto& [name, children] : items_[next].children) pending.insert(pending.end(), children.begin(), children.end());
  }
  return seen;
}

std::optional<CacheChains::Record> CacheChains::Add(const std::string& digest, const std::vector<std::vector<Link>>& inputs, const std::vector<CacheExportResult>& results) {
  if (digest.starts_with("random:")) return std::nullopt;
  for (const auto& links : inputs) {
    if (links.empty()) return std::nullopt;
  }
  Record record = items_.size();
  std::set<Record> circular;
  if (inputs.empty()) {
    record = roots_.emplace(digest, record).first->second;
  } else if (std::set<Record> matches = Matches(digest, inputs); !matches.empty()) {
    record = *matches.begin();
    for (Record other : matches) {
      if (other != record) Absorb(record, other);
    }
    circular = Below(record);
  }
  if (record == items_.size()) items_.push_back({digest, {}, {}, {}});
  for (const CacheExportResult& result : results) AddResult(items_[record], result);
  for (size_t i = 0; i < inputs.size(); i++) {
    for (const Link& link : inputs[i]) {
      if (circular.contains(link.from)) continue;
      items_[link.from].children[{link.selector, i, digest}].insert(record);
      auto& parents = items_[record].parents;
      if (parents.size() <= i) parents.resize(i + 1);
      parents[i].emplace(link.from, link.selector);
    }
  }
  return record;
}

}  // namespace bk::remotecache
