// absl::Status with its typed details to gRPC's status and back (trap 8).
//
// Details travel as google.rpc.Status.details: Any with type_url "github.com/moby/buildkit/NAME+json" and JSON text as its
// value. Details with other type urls are dropped on the way in. Thread-safe.
#pragma once

#include <grpcpp/support/status.h>

#include "base/status.h"
#include "errors/status.pb.h"

namespace bk::wire {

google::rpc::Status ToProto(const absl::Status& status);
absl::Status FromProto(const google::rpc::Status& status);
grpc::Status ToGrpc(const absl::Status& status);
absl::Status FromGrpc(const grpc::Status& status);

// gRPC's own name of a code as Go prints it ("NotFound"); "Code(99)" for unknown ones.
std::string CodeName(absl::StatusCode code);
// Go's text of an error with a status: `rpc error: code = NotFound desc = …`.
std::string RpcErrorText(const absl::Status& status);

}  // namespace bk::wire
