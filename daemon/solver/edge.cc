#include "daemon/solver/edge.h"

#include <algorithm>

namespace bk::solver {
namespace {

bool Contains(const std::vector<std::string>& list, const std::string& id) { return std::find(list.begin(), list.end(), id) != list.end(); }

}  // namespace

bool EdgeState::HasContent(size_t input) const { return map_ != nullptr && input < map_->deps.size() && map_->deps[input].content != nullptr; }
bool EdgeState::HasPreprocess(size_t input) const { return map_ != nullptr && input < map_->deps.size() && map_->deps[input].preprocess != nullptr; }
bool EdgeState::ContentPending(size_t input) const { return HasContent(input) && !inputs_[input].content_done; }
bool EdgeState::Exhausted(size_t input) const { return inputs_[input].level >= Level::kSlow && !ContentPending(input); }

bool EdgeState::NoMatchPossible() const {
  if (map_ == nullptr) return false;
  if (ignore_cache_) return true;
  for (size_t i = 0; i < inputs_.size(); i++) {
    if (inputs_[i].matches.empty() && Exhausted(i)) return true;
  }
  return false;
}

bool EdgeState::UnmatchedOpen() const {
  for (size_t i = 0; i < inputs_.size(); i++) {
    if (inputs_[i].matches.empty() && !Exhausted(i)) return true;
  }
  return false;
}

std::string EdgeState::Selector(size_t input) const { return input < map_->deps.size() ? map_->deps[input].selector.str() : ""; }

void EdgeState::Probe(size_t input, const std::vector<KeyWithSelector>& keys, KeyLookup& lookup) {
  if (keys.empty() || ignore_cache_) return;
  auto& matches = inputs_[input].matches;
  for (std::string& id : lookup.Query(keys, static_cast<int>(input), map_->digest.str(), output_)) {
    if (!Contains(matches, id)) matches.insert(std::upper_bound(matches.begin(), matches.end(), id), std::move(id));
  }
}

void EdgeState::ProbeKeys(size_t input, KeyLookup& lookup) {
  if (map_ == nullptr) return;
  Input& in = inputs_[input];
  std::vector<KeyWithSelector> fresh;
  std::string selector = Selector(input);
  for (; in.keys_probed < in.keys.size(); in.keys_probed++) fresh.push_back({FoundKey(in.keys[in.keys_probed]), selector});
  Probe(input, fresh, lookup);
}

void EdgeState::AddKey(const std::string& id, KeyLookup& lookup) {
  if (Contains(out_.keys, id)) return;
  out_.keys.push_back(id);
  for (CacheRecord& record : lookup.Records(id)) {
    bool known = std::any_of(records_.begin(), records_.end(), [&](const CacheRecord& r) { return r.result.id == record.result.id; });
    if (!known && !Contains(tried_, record.result.id)) records_.push_back(std::move(record));
  }
}

// Keys that every input leads to are keys of this edge.
void EdgeState::Recompute(KeyLookup& lookup) {
  if (finished() || map_ == nullptr) return;
  if (!inputs_.empty()) {
    std::vector<std::string> common = inputs_[0].matches;
    for (size_t i = 1; i < inputs_.size() && !common.empty(); i++) {
      std::erase_if(common, [&](const std::string& id) { return !std::binary_search(inputs_[i].matches.begin(), inputs_[i].matches.end(), id); });
    }
    for (const std::string& id : common) AddKey(id, lookup);
  }
  out_.level = std::max(out_.level, ReachedLevel());
}

Level EdgeState::ReachedLevel() const {
  if (inputs_.empty()) return out_.keys.empty() && !map_done_ ? Level::kNone : Level::kSlow;
  if (NoMatchPossible()) return Level::kSlow;
  Level all = Level::kSlow, some = Level::kNone;
  bool all_matched = true, counted = false;
  for (size_t i = 0; i < inputs_.size(); i++) {
    const Input& in = inputs_[i];
    bool pending = ContentPending(i) && in.level >= Level::kSlow;
    all = std::min(all, pending ? Level::kFast : in.level);
    // Without a match here no other input can bring a definition key.
    if (in.level >= Level::kFast && in.matches.empty()) some = Level::kFast;
    all_matched = all_matched && !in.matches.empty();
    counted = counted || !pending;
  }
  // A stored result is as good as any other key would lead to, unless a content that is at hand may tell more.
  if (all_matched && counted && !records_.empty()) return Level::kSlow;
  return std::max(all, some);
}

void EdgeState::OnMap(std::shared_ptr<const CacheMap> map, KeyLookup& keys) {
  map_ = std::move(map);
  map_done_ = map_->done || !inputs_.empty();
  root_digests_.push_back(map_->digest);
  ids_changed_ = true;
  if (inputs_.empty() && !ignore_cache_) {
    std::string id = RootKeyId(map_->digest, output_);
    if (keys.Exists(id)) AddKey(id, keys);
  }
  for (size_t i = 0; i < inputs_.size(); i++) ProbeKeys(i, keys);
  Recompute(keys);
}

void EdgeState::OnInput(size_t input, const EdgeOutput& from, KeyLookup& keys) {
  if (finished()) return;
  Input& in = inputs_[input];
  if (!from.error.ok()) return OnError(from.error);
  in.level = from.level;
  for (const std::string& id : from.keys) {
    if (Contains(in.keys, id)) continue;
    in.keys.push_back(id);
    ids_changed_ = true;
  }
  if (from.result != nullptr && in.result == nullptr) {
    in.result = from.result;
    in.result_keys = from.result_keys;
    ids_changed_ = true;
  }
  ProbeKeys(input, keys);
  Recompute(keys);
}

void EdgeState::OnContent(size_t input, const Digest& digest, KeyLookup& keys) {
  if (finished()) return;
  Input& in = inputs_[input];
  in.content_done = true;
  if (!digest.empty()) {
    in.content_key = RootKeyId(digest, -1);
    KeyWithSelector content{FoundKey(in.content_key), ""};
    Probe(input, {content}, keys);
    // What the content leads to, the input's own keys lead to from now on.
    std::vector<KeyWithSelector> all = {content};
    for (const std::string& id : in.result_keys) all.push_back({FoundKey(id), Selector(input)});
    Probe(input, all, keys);
    ids_changed_ = true;
  }
  Recompute(keys);
}

void EdgeState::Finish(ResultPtr result) {
  out_.result = std::move(result);
  out_.level = Level::kResult;
  ReleaseInputs();
}

// What finished needs nothing of its inputs; their keys stay, so that equal edges find it.
void EdgeState::ReleaseInputs() {
  for (Input& in : inputs_) {
    in.result = nullptr;
    in.matches = {};
  }
  records_ = {};
  tried_ = {};
}

void EdgeState::OnLoaded(const CacheRecord& record, ResultPtr result) {
  if (finished()) return;
  out_.result_keys = {record.key_id};
  if (!Contains(out_.keys, record.key_id)) out_.keys.push_back(record.key_id);
  Finish(std::move(result));
}

void EdgeState::OnLoadFailed(const CacheRecord& record) {
  tried_.push_back(record.result.id);
  std::erase_if(records_, [&](const CacheRecord& r) { return r.result.id == record.result.id; });
}

void EdgeState::OnExecuted(ResultPtr result, std::vector<std::string> keys) {
  if (finished()) return;
  // What depends on a step that was told to ignore the cache must not be found through its old keys.
  if (!ignore_cache_) {
    for (const std::string& id : keys) {
      if (!Contains(out_.keys, id)) out_.keys.push_back(id);
    }
  }
  out_.result_keys = std::move(keys);
  Finish(std::move(result));
}

void EdgeState::OnError(absl::Status error) {
  if (finished()) return;
  out_.error = std::move(error);
  ReleaseInputs();
}

Level EdgeState::InputWant(size_t input, Level want) const {
  const Input& in = inputs_[input];
  if (map_ == nullptr || want == Level::kFast) return Level::kFast;
  if (NoMatchPossible()) return want == Level::kResult ? Level::kResult : in.level;
  if (in.level < Level::kFast) return Level::kFast;
  // Inputs that matched by definition wait until the others have told all they can.
  bool wait = !in.matches.empty() && UnmatchedOpen();
  if (in.level < Level::kSlow) return wait ? Level::kFast : Level::kSlow;
  if (ContentPending(input)) return wait ? in.level : Level::kResult;
  bool all_told = true;
  for (size_t i = 0; i < inputs_.size(); i++) all_told = all_told && Exhausted(i);
  return want == Level::kResult && all_told ? Level::kResult : Level::kSlow;
}

EdgeActions EdgeState::Decide(Level want) const {
  EdgeActions actions;
  actions.inputs.assign(inputs_.size(), Level::kNone);
  if (finished() || want == Level::kNone || want <= out_.level) return actions;
  if (want == Level::kResult && !records_.empty()) {
    auto newest = std::max_element(records_.begin(), records_.end(), [](const CacheRecord& a, const CacheRecord& b) { return a.result.created_ns < b.result.created_ns; });
    actions.load = *newest;
    return actions;
  }
  actions.ask_map = map_ == nullptr || !map_done_;
  bool ready = map_ != nullptr && map_done_;
  for (size_t i = 0; i < inputs_.size(); i++) {
    const Input& in = inputs_[i];
    actions.inputs[i] = InputWant(i, want);
    bool work = HasContent(i) || HasPreprocess(i);
    if (in.result != nullptr && work && !in.content_done) actions.contents.push_back(static_cast<int>(i));
    ready = ready && in.result != nullptr && (!work || in.content_done);
  }
  actions.run = ready && want == Level::kResult;
  return actions;
}

std::vector<CacheKeyPtr> EdgeState::KeysToStore() const {
  std::vector<CacheKeyPtr> keys;
  if (inputs_.empty()) {
    for (const Digest& digest : root_digests_) keys.push_back(RootKey(digest, output_));
    return keys;
  }
  auto key = std::make_shared<CacheKey>(CacheKey{"", map_->digest.str(), output_, {}});
  for (size_t i = 0; i < inputs_.size(); i++) {
    auto& alternatives = key->inputs.emplace_back();
    for (const std::string& id : inputs_[i].result_keys) alternatives.push_back({FoundKey(id), Selector(i)});
    if (!inputs_[i].content_key.empty()) alternatives.push_back({FoundKey(inputs_[i].content_key), ""});
  }
  keys.push_back(std::move(key));
  return keys;
}

std::vector<ResultPtr> EdgeState::InputResults() const {
  std::vector<ResultPtr> results;
  for (const Input& in : inputs_) results.push_back(in.result);
  return results;
}

std::vector<std::string> EdgeState::EqualityIds(size_t input) const {
  std::vector<std::string> ids;
  if (map_ == nullptr || !out_.error.ok()) return ids;
  if (inputs_.empty()) {
    for (const Digest& digest : root_digests_) ids.push_back(RootKeyId(digest, output_));
    return ids;
  }
  const Input& in = inputs_[input];
  auto add = [&](const std::string& id, const std::string& selector) {
    std::string text = selector.empty() ? id : StrCat(id, " ", selector);
    if (!Contains(ids, text)) ids.push_back(std::move(text));
  };
  std::string selector = Selector(input);
  for (const std::string& id : in.keys) add(id, selector);
  for (const std::string& id : in.result_keys) add(id, selector);
  if (!in.content_key.empty()) add(in.content_key, "");
  return ids;
}

bool EdgeState::EqualTo(const EdgeState& other) const {
  if (map_ == nullptr || other.map_ == nullptr || output_ != other.output_ || inputs_.size() != other.inputs_.size()) return false;
  if (!inputs_.empty() && map_->digest != other.map_->digest) return false;
  for (size_t i = 0; i < std::max<size_t>(inputs_.size(), 1); i++) {
    std::vector<std::string> mine = EqualityIds(i), theirs = other.EqualityIds(i);
    if (std::none_of(mine.begin(), mine.end(), [&](const std::string& id) { return Contains(theirs, id); })) return false;
  }
  return true;
}

}  // namespace bk::solver
