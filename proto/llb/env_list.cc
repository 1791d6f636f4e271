#include "proto/llb/env_list.h"

#include <algorithm>

#include "absl/container/flat_hash_set.h"

namespace bk::llb {

void EnvList::Append(Entry entry) {
  if (!entries_) {
    entries_ = std::make_shared<std::vector<Entry>>();
  } else if (entries_->size() != size_) {  // a copy went on from here
    entries_ = std::make_shared<std::vector<Entry>>(entries_->begin(), entries_->begin() + static_cast<ptrdiff_t>(size_));
  }
  entries_->push_back(std::move(entry));
  size_++;
}

std::optional<std::string_view> EnvList::Get(std::string_view key) const {
  for (size_t i = size_; i-- > 0;) {
    const Entry& entry = (*entries_)[i];
    if (entry.key != key) continue;
    if (entry.deleted) return std::nullopt;
    return entry.value;
  }
  return std::nullopt;
}

std::vector<const EnvList::Entry*> EnvList::Live() const {
  std::vector<const Entry*> live;
  absl::flat_hash_set<std::string> seen;
  for (size_t i = size_; i-- > 0;) {
    const Entry& entry = (*entries_)[i];
    if (seen.insert(entry.key).second && !entry.deleted) live.push_back(&entry);
  }
  std::reverse(live.begin(), live.end());
  return live;
}

std::vector<std::string> EnvList::Keys() const {
  std::vector<std::string> keys;
  for (const Entry* entry : Live()) keys.push_back(entry->key);
  return keys;
}

std::vector<std::string> EnvList::ToArray() const {
  std::vector<std::string> array;
  for (const Entry* entry : Live()) array.push_back(entry->key + "=" + entry->value);
  return array;
}

}  // namespace bk::llb
