// From an exec op to the process that the executor starts: environment, user, network, limits. Pure but for secrets.
#pragma once

#include <string>
#include <vector>

#include "daemon/ops/ops.h"

namespace bk::ops {

// Without what needs a session: the environment is the step's, then the proxy's, then PATH if it has none.
// Unknown `failed to parse IP …` for wrong extra hosts.
absl::StatusOr<exec::ProcessSpec> ProcessOf(const pb::ExecOp& op, const OpRequest& request);

// What makes a network or security mode that does not exist fail, in the reference's words.
absl::Status CheckModes(const pb::ExecOp& op);

// For steps whose limits of memory and processors nobody keeps.
solver::WarningEvent UnlimitedWarning();

// Whether the exit code means success: 0, or one of the list if there is one.
bool IsValidExit(const std::vector<int>& valid, int code);

// `process "…" did not complete successfully: exit code: N`, with the code as a typed detail. Running out of memory is
// ResourceExhausted `cannot allocate memory`.
absl::Status ExitError(const std::string& command_line, const exec::StepExit& exit);
// The same frame around what kept the process from running.
absl::Status StartError(const std::string& command_line, const absl::Status& cause);

}  // namespace bk::ops
