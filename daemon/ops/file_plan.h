// Which actions of a file op run, in which order, and where their trees must become immutable. Pure.
//
// Indexes below the number of inputs are inputs, the rest actions. A tree that several actions (or an output) want is
// committed; one that a single action wants is handed on writable. Thread-safe (values).
#pragma once

#include <string>
#include <vector>

#include "base/status.h"
#include "llb/ops.pb.h"

namespace bk::ops {

struct FilePlan {
  struct Step {
    int action = 0;
    bool commit = false;
  };
  std::vector<Step> steps;      // what outputs need, each after what it needs
  std::vector<int64_t> outputs;  // index (inputs, then actions) of each output
};

// Unknown with the reference's texts for indexes out of range, loops, doubled or missing outputs.
absl::StatusOr<FilePlan> PlanActions(const pb::FileOp& op, int inputs);

// The owner of an action; null when it has none.
const pb::ChownOpt* OwnerOf(const pb::FileAction& action);

}  // namespace bk::ops
