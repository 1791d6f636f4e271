#include "daemon/cache/contenthash/selection.h"

#include <algorithm>

#include "base/glob.h"
#include "base/path.h"

namespace bk::contenthash {
namespace {

bool HasWildcard(std::string_view name) {
  for (size_t i = 0; i < name.size(); i++) {
    if (name[i] == '*' || name[i] == '?' || name[i] == '[') return true;
    if (name[i] == '\\') i++;
  }
  return false;
}

// The leading components without wildcards ("/" if there are none), and whether others follow.
std::pair<std::string, bool> PlainPrefix(const std::string& path) {
  std::string prefix = "/";
  size_t at = 0;
  while (at < path.size()) {
    size_t start = path.find_first_not_of('/', at);
    if (start == std::string::npos) break;
    size_t end = std::min(path.find('/', start), path.size());
    if (HasWildcard(std::string_view(path).substr(start, end - start))) return {prefix, true};
    prefix = path.substr(0, end);
    at = end;
  }
  return {prefix, false};
}

// `name` below the directory `top`, "" for the directory itself; unchanged if it is elsewhere.
std::string Below(const std::string& name, const std::string& top) {
  std::string with_slash = name + "/", prefix = top + "/";
  if (with_slash.starts_with(prefix)) with_slash.erase(0, prefix.size());
  if (with_slash.ends_with('/')) with_slash.pop_back();
  return with_slash;
}

// As Go prints a list.
std::string ListText(const std::vector<std::string>& words) {
  std::string text = "[";
  for (const std::string& word : words) text += StrCat(text.size() > 1 ? " " : "", word);
  return text + "]";
}

}  // namespace

absl::StatusOr<Records::iterator> Selection::Begin(const std::string& path) {
  Records& records = tree_.records_;
  HashTree::Found found;
  if (options_.wildcard) {
    auto [prefix, more] = PlainPrefix(path);
    if (prefix == "/") return records.begin();
    spelled_prefix_ = prefix;
    BK_ASSIGN(found, tree_.Follow(KeyOf(prefix), more));
  } else {
    spelled_prefix_ = path;
    if (path.empty()) return records.begin();
    BK_ASSIGN(found, tree_.Follow(KeyOf(path), false));
  }
  resolved_prefix_ = PathOf(found.key);
  return found.record == nullptr ? records.end() : records.find(found.key);
}

absl::Status Selection::Run(const std::string& path) {
  trailing_slash_ = path.ends_with('/');
  path_ = RecordPath(path);
  if (!options_.include_patterns.empty()) {
    auto matcher = PatternMatcher::Create(options_.include_patterns);
    if (!matcher.ok()) return Annotate(matcher.status(), StrCat("invalid includepatterns: ", ListText(options_.include_patterns)));
    include_ = *std::move(matcher);
  }
  if (!options_.exclude_patterns.empty()) {
    auto matcher = PatternMatcher::Create(options_.exclude_patterns);
    if (!matcher.ok()) return Annotate(matcher.status(), StrCat("invalid excludepatterns: ", ListText(options_.exclude_patterns)));
    exclude_ = *std::move(matcher);
  }
  BK_TRY(auto it, Begin(path_));
  for (; it != tree_.records_.end(); ++it) {
    BK_RETURN_IF_ERROR(cancel_.Check());
    BK_TRY(bool more, Visit(it->first, it->second));
    if (!more) break;
  }
  return CheckRequired();
}

absl::StatusOr<bool> Selection::Visit(const std::string& key, Record& record) {
  std::string name = PathOf(key);
  if (name.starts_with(resolved_prefix_)) name = spelled_prefix_ + name.substr(resolved_prefix_.size());
  while (!parents_.empty() && !name.starts_with(parents_.back().entry.path + "/")) parents_.pop_back();
  const Parent* above = parents_.empty() ? nullptr : &parents_.back();
  bool header = key.ends_with('\0');
  if (header) {
    name.pop_back();
    if (name == path_ && trailing_slash_) return true;
  }
  if (options_.wildcard) {
    BK_TRY(bool inside, InPath(name));
    if (!inside) return true;
  } else if (!(name + "/").starts_with(path_ + "/")) {
    return false;
  }
  Parent visited;
  visited.entry = {name, record.type, "", above == nullptr && options_.follow_links};
  BK_TRY(bool wanted, PatternsAllow(Below(name, options_.wildcard ? matched_dir_ : path_), visited, above));
  if (!wanted && !header) return true;
  // Contents of directories are never taken as a whole: something in them may be excluded.
  if (record.type == RecordType::kDir) return true;
  BK_RETURN_IF_ERROR(tree_.Complete(cancel_, root_, key, record));
  visited.entry.digest = record.digest;
  if (wanted) {
    for (Parent& parent : parents_) {
      if (!std::exchange(parent.added, true)) entries_.push_back(parent.entry);
    }
    entries_.push_back(visited.entry);
    visited.added = true;
  }
  if (record.type == RecordType::kDirHeader) parents_.push_back(std::move(visited));
  return true;
}

absl::StatusOr<bool> Selection::InPath(const std::string& name) {
  if (path_.empty() || (!matched_dir_.empty() && name.starts_with(matched_dir_ + "/"))) return true;
  BK_TRY(bool matches, GlobMatch(path_, name));
  if (matches) matched_dir_ = name;
  return matches;
}

absl::StatusOr<bool> Selection::PatternsAllow(const std::string& candidate, Parent& visited, const Parent* above) {
  static const PatternMatcher::ParentResults kNothing;
  if (!options_.include_patterns.empty()) {
    auto matches = include_.MatchesUsingParentResults(candidate, above == nullptr ? kNothing : above->include, visited.include);
    if (!matches.ok()) return Annotate(matches.status(), "failed to match includepatterns");
    if (!*matches) return false;
  }
  if (!options_.exclude_patterns.empty()) {
    auto matches = exclude_.MatchesUsingParentResults(candidate, above == nullptr ? kNothing : above->exclude, visited.exclude);
    if (!matches.ok()) return Annotate(matches.status(), "failed to match excludepatterns");
    if (*matches) return false;
  }
  return true;
}

absl::Status Selection::CheckRequired() const {
  for (const std::string& required : options_.required_paths) {
    bool found = std::any_of(entries_.begin(), entries_.end(), [&](const Selected& entry) { return entry.path.starts_with(required); });
    if (!found) return NotFound(Quote(required), ": not found");
  }
  return absl::OkStatus();
}

absl::StatusOr<Digest> Selection::Sum(const std::string& path) const {
  if (entries_.empty()) return DigestOf("");
  if (entries_.size() == 1 && BaseName(path) == BaseName(entries_[0].path)) return Digest::Parse(entries_[0].digest);
  Sha256 hasher;
  for (const Selected& entry : entries_) {
    std::string_view below = entry.path;
    if (below.starts_with(spelled_prefix_)) below.remove_prefix(spelled_prefix_.size());
    hasher.Update(below.empty() ? std::string(1, '\0') : KeyOf(std::string(below)));
    hasher.Update(entry.digest);
  }
  return hasher.FinishDigest();
}

}  // namespace bk::contenthash
