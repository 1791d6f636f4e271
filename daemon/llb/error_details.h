// The typed details that a failed build gives its clients (trap 8): which vertex, where in the source, what was asked.
//
// The Vertex and ExitMessage details come from the solver and the ops; here come those that need the definition. Details
// are JSON as Go writes the contract's messages. Thread-safe (functions).
#pragma once

#include <string>

#include "base/status.h"
#include "daemon/ops/failed_steps.h"
#include "llb/ops.pb.h"
#include "proto/llb/go_json_of.h"

namespace bk::llb {

struct LoadedDefinition;

// The digest of an error's Vertex detail; empty if it has none.
std::string FailedVertex(const absl::Status& status);
// A Source detail for every location that `definition` knows of the failed vertex.
absl::Status WithSources(absl::Status status, const pb::Definition& definition, const LoadedDefinition& loaded);
// Trees that containers may be made of (Build::KeepFailed), by the failed op's mounts; "" where there is none.
struct SolveIds {
  std::vector<std::string> inputs, mounts;
  ops::FailedSubject subject;
};
// A Solve detail: the failed op, if the error is about one. What calls of frontends add, not the build itself.
absl::Status WithSolve(absl::Status status, const LoadedDefinition* loaded, const SolveIds& ids = {});
absl::Status WithFrontend(absl::Status status, const std::string& name, const std::string& source);

// The code that clients see: the reference answers with UNKNOWN unless an error came over gRPC, is a cancellation, a
// deadline, or something that is not built.
absl::Status ForClients(const absl::Status& status);

}  // namespace bk::llb
