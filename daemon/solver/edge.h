// One output of a vertex while builds want it: what is known of its inputs, under which keys it may be known to the cache,
// and what to do next. No threads, no I/O but key lookups: the scheduler tells it what happened (On…) and does what Decide
// says. This is where definition keys come before content keys and content keys only where they can still help (trap 13).
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "daemon/solver/cache_keys.h"
#include "daemon/solver/op.h"

namespace bk::solver {

// How much is known of an edge; each level includes those before it.
enum class Level : uint8_t {
  kNone,
  kFast,    // keys that follow from definitions
  kSlow,    // all keys that can be known without running the edge itself
  kResult,
};

// What an edge tells those that want it.
struct EdgeOutput {
  Level level = Level::kNone;
  std::vector<std::string> keys;         // to look for matches with; only grows
  ResultPtr result;                      // at kResult
  std::vector<std::string> result_keys;  // the result is stored under
  absl::Status error;                    // final
};

// What an edge asks of the cache.
class KeyLookup {
 public:
  virtual ~KeyLookup() = default;
  virtual std::vector<std::string> Query(const std::vector<KeyWithSelector>& inputs, int input, const std::string& digest, int output) = 0;
  virtual std::vector<CacheRecord> Records(const std::string& id) = 0;
  virtual bool Exists(const std::string& id) = 0;
};

struct EdgeActions {
  bool ask_map = false;               // the cache map with the next index
  std::vector<Level> inputs;          // wanted of each input from now on
  std::vector<int> contents;          // inputs to preprocess and digest
  std::optional<CacheRecord> load;    // instead of running
  bool run = false;
};

class EdgeState {
 public:
  EdgeState(size_t inputs, int output, bool ignore_cache) : inputs_(inputs), output_(output), ignore_cache_(ignore_cache) {}

  const EdgeOutput& output() const { return out_; }
  bool finished() const { return out_.level == Level::kResult || !out_.error.ok(); }

  // The cache map with index maps_seen(). Vertices with inputs have one, others may have several.
  void OnMap(std::shared_ptr<const CacheMap> map, KeyLookup& keys);
  void OnInput(size_t input, const EdgeOutput& from, KeyLookup& keys);
  // `digest` is empty where the op has no content function (but did preprocess).
  void OnContent(size_t input, const Digest& digest, KeyLookup& keys);
  void OnLoaded(const CacheRecord& record, ResultPtr result);
  // The record is not tried again.
  void OnLoadFailed(const CacheRecord& record);
  void OnExecuted(ResultPtr result, std::vector<std::string> keys);
  void OnError(absl::Status error);

  // What `want` needs done now; what was asked before and is not in here is no longer needed.
  EdgeActions Decide(Level want) const;

  size_t maps_seen() const { return root_digests_.size(); }
  // Keys to store the result under: of all inputs' results and contents. Call when Decide said run.
  std::vector<CacheKeyPtr> KeysToStore() const;
  std::vector<ResultPtr> InputResults() const;
  const ResultPtr& input_result(size_t input) const { return inputs_[input].result; }

  // Two edges in flight are equal when the op is, and each input has a common key. Ids of input `input` for that, with
  // selector; for a vertex without inputs its root ids at input 0. Empty: not known yet.
  std::vector<std::string> EqualityIds(size_t input) const;
  bool EqualTo(const EdgeState& other) const;
  // What equal edges have in common beside their inputs; empty for a vertex without any.
  std::string op_digest() const { return map_ == nullptr || inputs_.empty() ? "" : map_->digest.str(); }
  // True once after something changed that EqualityIds depends on.
  bool TakeIdsChanged() { return std::exchange(ids_changed_, false); }

 private:
  struct Input {
    Level level = Level::kNone;
    bool content_done = false;          // preprocessed and digested as far as the op wants that
    size_t keys_probed = 0;             // of `keys`
    std::vector<std::string> keys;      // of the input
    std::vector<std::string> matches;   // keys of this edge that the input leads to, sorted
    ResultPtr result;
    std::vector<std::string> result_keys;
    std::string content_key;            // "" = none
  };
  bool HasContent(size_t input) const;
  bool HasPreprocess(size_t input) const;
  bool ContentPending(size_t input) const;  // a content digest may still bring a match
  bool Exhausted(size_t input) const;       // nothing more can be learned of it but its result
  bool NoMatchPossible() const;
  bool UnmatchedOpen() const;  // an input without a match has not told everything
  std::string Selector(size_t input) const;
  void Probe(size_t input, const std::vector<KeyWithSelector>& keys, KeyLookup& lookup);
  void ProbeKeys(size_t input, KeyLookup& lookup);
  void AddKey(const std::string& id, KeyLookup& lookup);
  void Recompute(KeyLookup& lookup);
  Level ReachedLevel() const;
  void Finish(ResultPtr result);
  void ReleaseInputs();
  Level InputWant(size_t input, Level want) const;

  std::vector<Input> inputs_;
  int output_;
  bool ignore_cache_, map_done_ = false, ids_changed_ = false;
  std::shared_ptr<const CacheMap> map_;
  std::vector<Digest> root_digests_;  // of each map seen
  std::vector<CacheRecord> records_;  // that may be loaded
  std::vector<std::string> tried_;    // results that could not be
  EdgeOutput out_;
};

}  // namespace bk::solver
