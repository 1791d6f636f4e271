// What LLB operations do: one file a kind, one row each in daemon/ops/table.cc (source, exec, file, merge, diff).
//
// An op is made once for all builds that share its vertex and runs on op threads (daemon/solver/op.h). Thread-safe.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "base/platform.h"
#include "base/semaphore.h"
#include "daemon/cache/ref.h"
#include "daemon/session/session.h"
#include "daemon/solver/op.h"
#include "daemon/source/source.h"
#include "llb/ops.pb.h"
#include "sandbox/cdi/registry.h"
#include "sandbox/exec/executor.h"

namespace bk::ops {

// What a daemon offers its ops; borrowed, must outlive them.
struct OpParts {
  cache::CacheManager* cache = nullptr;
  source::SourceManager* sources = nullptr;
  session::Manager* sessions = nullptr;
  exec::Executor* executor = nullptr;
  cdi::Registry* devices = nullptr;  // null: steps get none
  bool limits_resources = true;      // steps have control groups of their own
  Semaphore* parallelism = nullptr;  // null: no limit (max-parallelism)
  std::string trace_socket;          // path of the trace socket that steps see; "" = none
  std::string state_dir;             // <root> of the worker, for temporary files of steps
  std::string worker_id;             // names refs in errors: WORKER::REF
};

// One loaded op (daemon/llb/vertex_load.h made and checked it).
struct OpRequest {
  std::shared_ptr<const pb::Op> op;  // with vertex digests as inputs
  Platform platform;                 // normalised; of the op or the worker's default
  std::string name;                  // progress name of the vertex
  exec::Resources resources;         // limits of an exec (OpMetadata.linux_resources)
};

class CacheMounts;
class FailedStep;

class OpFactory {
 public:
  virtual ~OpFactory() = default;
  // InvalidArgument for an op without meaning, Unimplemented for a kind that is not built yet.
  virtual absl::StatusOr<std::unique_ptr<solver::Op>> Make(const OpRequest& request) = 0;
  // Cache mounts of `id` start empty from now on (CacheMounts::Drop).
  virtual absl::Status DropCacheMounts(const CancelToken&, const std::string& id, bool on_input) = 0;
  // The trees of cache mounts, for containers that share them with steps; null: there are none.
  virtual CacheMounts* cache_mounts() { return nullptr; }
  // Which files of an input count for a step (content_files.h).
  virtual void VisitFiles(const pb::Op&, size_t, const solver::ResultPtr&, const std::function<bool(const std::string& path, const std::string& digest)>&) {}
  // What the step of this vertex left when it failed (failed_steps.h); null: nothing, or it did not.
  virtual std::shared_ptr<FailedStep> FailedStepOf(const Digest&) { return nullptr; }
};

std::unique_ptr<OpFactory> MakeOpFactory(const OpParts& parts);

}  // namespace bk::ops
