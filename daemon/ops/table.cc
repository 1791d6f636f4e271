// Every kind of op there is; docs/architecture.md names them in the same order.
#include "daemon/ops/content_files.h"
#include "daemon/ops/op_base.h"

namespace bk::ops {
namespace {

struct OpRow {
  pb::Op::OpCase kind;
  const char* name;
  absl::StatusOr<OpPtr> (*make)(const SharedParts&, const OpRequest&);
};

constexpr OpRow kOps[] = {
    {pb::Op::kSource, "source", &MakeSourceOp},
    {pb::Op::kExec, "exec", &MakeExecOp},
    {pb::Op::kFile, "file", &MakeFileOp},
    {pb::Op::kMerge, "merge", &MakeMergeOp},
    {pb::Op::kDiff, "diff", &MakeDiffOp},
    {pb::Op::kPassthrough, "passthrough", &MakePassthroughOp},
    {pb::Op::kBuild, "build", &MakeBuildOp},
};

class TableFactory : public OpFactory {
 public:
  explicit TableFactory(const OpParts& parts) : cache_mounts_(parts.cache, parts.state_dir + "/mounts"), parts_{parts, &cache_mounts_, &failed_steps_} {}

  absl::StatusOr<OpPtr> Make(const OpRequest& request) override {
    for (const OpRow& row : kOps) {
      if (row.kind != request.op->op_case()) continue;
      return row.make(parts_, request);
    }
    return Unknown("no support for <nil>");  // of the reference, for an op that says nothing
  }
  absl::Status DropCacheMounts(const CancelToken& cancel, const std::string& id, bool on_input) override { return cache_mounts_.Drop(cancel, id, on_input); }
  CacheMounts* cache_mounts() override { return &cache_mounts_; }
  void VisitFiles(const pb::Op& op, size_t input, const solver::ResultPtr& result, const std::function<bool(const std::string& path, const std::string& digest)>& see) override {
    VisitContentFiles(op, input, result, see);
  }
  FailedStepPtr FailedStepOf(const Digest& vertex) override { return failed_steps_.Find(vertex); }

 private:
  CacheMounts cache_mounts_;
  FailedSteps failed_steps_;
  SharedParts parts_;
};

}  // namespace

std::unique_ptr<OpFactory> MakeOpFactory(const OpParts& parts) { return std::make_unique<TableFactory>(parts); }

}  // namespace bk::ops
