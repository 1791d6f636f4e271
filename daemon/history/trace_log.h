// The times of a build's steps as a trace: a span of the build, and below it one for each run of a step.
//
// Format of the reference (application/vnd.buildkit.otlp.json.v0): OpenTelemetry's span stubs in JSON, one after the other. Only
// what this daemon saw is in it; spans that clients and steps export are not kept. Pure.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "base/status.h"
#include "control/control.pb.h"

namespace bk::history {

inline constexpr char kTraceLogType[] = "application/vnd.buildkit.otlp.json.v0";

// Span by span to `write`, whose error ends it. `trace_id`: 32 hex digits. Spans have ids by their order.
absl::Status WriteTrace(const moby::buildkit::v1::BuildHistoryRecord& record, const std::vector<moby::buildkit::v1::StatusResponse>& said, const std::string& trace_id,
                        const std::function<absl::Status(std::string_view)>& write);

}  // namespace bk::history
