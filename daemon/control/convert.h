// Wire messages of the Control service to and from the daemon's own values.
#pragma once

#include "base/platform.h"
#include "control/control.pb.h"
#include "daemon/cache/ref.h"
#include "daemon/llb/engine.h"
#include "daemon/solver/progress.h"

namespace bk::control {

namespace api = moby::buildkit::v1;

api::Vertex ToWire(const solver::VertexEvent& event);
api::VertexStatus ToWire(const solver::StatusEvent& event);
api::VertexLog ToWire(const solver::LogEvent& event);
api::VertexWarning ToWire(const solver::WarningEvent& event);
api::UsageRecord ToWire(const cache::UsageRecord& record);
pb::Platform ToWire(const Platform& platform);
google::protobuf::Timestamp Timestamp(int64_t time_ns);

// Checks a Solve request and takes it over; fields of old clients are translated. The error names the field; parts of
// the request that are not built yet are refused by name (Unimplemented).
absl::StatusOr<llb::BuildRequest> FromWire(const api::SolveRequest& request);

}  // namespace bk::control
