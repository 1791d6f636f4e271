// The blocking parts of a vertex, run on op threads: cache maps, content digests, the op itself, loading and storing
// results; internal to the solver. What was told as completed is in the key storage already.
#pragma once

#include <memory>
#include <mutex>
#include <vector>

#include "base/cancel.h"
#include "daemon/solver/cache_keys.h"
#include "daemon/solver/vertex_feed.h"

namespace bk::solver {

struct EdgeNode;

// The op of a vertex, made when first needed. Thread-safe.
class SharedOp {
 public:
  explicit SharedOp(VertexPtr vertex) : vertex_(vertex), feed_(std::make_shared<VertexFeed>(std::move(vertex))) {}
  const VertexPtr& vertex() const { return vertex_; }
  const std::shared_ptr<VertexFeed>& feed() const { return feed_; }
  absl::StatusOr<Op*> Get();

 private:
  const VertexPtr vertex_;
  const std::shared_ptr<VertexFeed> feed_;
  std::mutex mutex_;
  std::unique_ptr<Op> op_;
  absl::Status error_;
};

using CacheMapPtr = std::shared_ptr<const CacheMap>;

// One output that somebody waits for: where to store it.
struct SaveRequest {
  EdgeNode* edge = nullptr;  // opaque here
  int output = 0;
  std::vector<CacheKeyPtr> keys;
};
struct Saved {
  EdgeNode* edge = nullptr;
  ResultPtr result;
  absl::StatusOr<std::vector<CacheRecord>> records;
};

// A run of an op. Outputs may be asked for until it is over.
class Execution {
 public:
  // False: too late, the results are (about to be) there; save the output by itself.
  bool Ask(SaveRequest request);
  // Takes what was asked for; nothing is accepted afterwards.
  std::vector<SaveRequest> Close();
  std::vector<ResultPtr> results;  // once over

 private:
  struct State {
    std::vector<SaveRequest> wanted;
    bool closed = false;
  };
  Guarded<State> state_;
};

absl::StatusOr<CacheMapPtr> RunCacheMap(const CancelToken& cancel, SharedOp& op, int index);
// Preprocesses `result`, which `input` made, and digests it; empty without content function.
absl::StatusOr<Digest> RunContent(const CancelToken& cancel, SharedOp& op, VertexFeed& input, const CacheMapDep& dep, const ResultPtr& result);
// Fills execution.results; one Saved for each output that was asked for.
absl::StatusOr<std::vector<Saved>> RunOp(const CancelToken& cancel, SharedOp& op, const CacheKeys& keys, Execution& execution, const std::vector<ResultPtr>& inputs);
absl::StatusOr<ResultPtr> RunLoad(const CacheKeys& keys, SharedOp& op, const CacheRecord& record);
Saved RunSave(const CacheKeys& keys, const SharedOp& op, const std::vector<ResultPtr>& results, const SaveRequest& request);

}  // namespace bk::solver
