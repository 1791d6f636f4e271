// Rules over source identifiers: allow, deny or replace a source before it has a digest (SolveRequest.SourcePolicy).
//
// The first policy that changes a source ends the round, and all policies see it again; in one policy the last rule of
// ALLOW and DENY that matches wins. Patterns are compiled once. Texts are the reference's. Thread-safe.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/status.h"
#include "llb/ops.pb.h"
#include "policy/policy.pb.h"

namespace bk::llb {

using PolicyProto = moby::buildkit::v1::sourcepolicy::Policy;
using PolicyList = std::vector<PolicyProto>;

// Unknown `invalid nil selector in policy`: what a policy must have before it is used.
absl::Status CheckPolicies(const PolicyList& policies);

class SourcePolicy {
 public:
  // `policies` passed CheckPolicies.
  explicit SourcePolicy(const PolicyList& policies);
  ~SourcePolicy();

  // Changes `source` as the rules say. Unknown `source "X" denied by policy: source denied by policy`, and for patterns
  // that mean nothing, once they are looked at.
  absl::Status Apply(pb::SourceOp& source) const;

 private:
  class Rule;
  absl::Status ApplyOnce(const std::vector<Rule>& policy, pb::SourceOp& source, bool& changed) const;

  std::vector<std::vector<Rule>> policies_;
};

}  // namespace bk::llb
