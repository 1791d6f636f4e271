// Small definitions for tests: ops are added one after the other and named by their raw digest.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/digest.h"
#include "llb/ops.pb.h"

namespace bk::fakes {

class DefinitionWriter {
 public:
  // Raw digest of the op. `inputs` are such digests (output 0).
  std::string Add(pb::Op op, const std::vector<std::string>& inputs = {}) {
    for (const std::string& input : inputs) op.add_inputs()->set_digest(input);
    std::string bytes = op.SerializeAsString();
    definition_.add_def(bytes);
    return DigestOf(bytes).str();
  }
  std::string Source(const std::string& identifier) {
    pb::Op op;
    op.mutable_source()->set_identifier(identifier);
    return Add(op);
  }
  static pb::Op Exec(const std::string& arg) {
    pb::Op op;
    op.mutable_exec()->mutable_meta()->add_args(arg);
    op.mutable_exec()->mutable_meta()->set_cwd("/");
    op.mutable_exec()->add_mounts()->set_dest("/");
    return op;
  }
  pb::OpMetadata& Metadata(const std::string& raw) { return (*definition_.mutable_metadata())[raw]; }
  pb::Definition& definition() { return definition_; }
  // With the last entry, which names the result.
  pb::Definition Finish(const std::string& root) {
    Add(pb::Op(), {root});
    return definition_;
  }
  std::shared_ptr<const pb::Definition> Share(const std::string& root) { return std::make_shared<const pb::Definition>(Finish(root)); }

 private:
  pb::Definition definition_;
};

}  // namespace bk::fakes
