// What the solver asks of an operation. The solver knows digests and opaque results, nothing of LLB, files or sessions.
//
// CacheMap, content functions and Exec run on op threads and may block; each gets a CancelToken that ends when the last
// build that wants the vertex is gone.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/cancel.h"
#include "base/digest.h"
#include "base/semaphore.h"
#include "daemon/solver/progress.h"

namespace bk::solver {

// One output of an op. Concrete type: ops::RefResult (daemon/ops/result.h). Immutable, shared.
class Result {
 public:
  virtual ~Result() = default;
  virtual std::string Id() const = 0;  // stable for the life of the result's storage
};
using ResultPtr = std::shared_ptr<const Result>;

// What an op call may use of the builds it works for. Valid during the call only.
class OpContext {
 public:
  virtual ~OpContext() = default;
  // Sessions of all jobs that want this vertex now, oldest first (any live one may serve secrets, credentials, files).
  virtual std::vector<std::string> SessionIds() const = 0;
  // Whether every one of them may use only what this machine has: no connection is made for their sources.
  virtual bool Offline() const { return false; }
  virtual VertexProgress Progress() const = 0;
};

// Computes the content digest of one input's result; run only when a cache decision needs it (trap 13).
using ContentFunction = std::function<absl::StatusOr<Digest>(const CancelToken&, OpContext&, const ResultPtr&)>;
using PreprocessFunction = std::function<absl::Status(const CancelToken&, OpContext&, const ResultPtr&)>;

struct CacheMapDep {
  Digest selector;             // empty: none
  ContentFunction content;     // null: no content-based key for this input
  PreprocessFunction preprocess;  // null: none; runs before Exec when the input is needed (unlazy)
};

struct CacheMap {
  Digest digest;                   // of the op's definition
  std::vector<CacheMapDep> deps;   // one per input
  std::vector<std::string> pins;   // what a source resolved to, for provenance and lock files
  bool done = true;                // false: another map with the next index is to be asked if this one misses
};

class Op {
 public:
  virtual ~Op() = default;
  virtual absl::StatusOr<CacheMap> GetCacheMap(const CancelToken& cancel, OpContext& context, int index) = 0;
  // `inputs` in input order; the results in output order (null for an output nobody can use).
  virtual absl::StatusOr<std::vector<ResultPtr>> Exec(const CancelToken& cancel, OpContext& context, const std::vector<ResultPtr>& inputs) = 0;
  // Waits for a slot (max parallelism). An empty Permit when the op needs none.
  virtual absl::StatusOr<Permit> Acquire(const CancelToken& cancel) = 0;
};

}  // namespace bk::solver
