// Which builds a client wants to hear of: the filters of a history request, read and applied. Pure.
//
// A filter is one line of comma-separated values, all of which must hold; several filters are "or". Conditions on time
// (`startedAt>24h`, `completedAt<=2026-01-02T03:04:05Z`, `duration>=5m`; an age counts back from now) stand beside those of
// base/filter.h on `ref`, `status` (running, completed, error, canceled) and `repository`. Golden: text/filters.
#pragma once

#include <string>
#include <vector>

#include "base/status.h"
#include "control/control.pb.h"

namespace bk::control {

namespace api = moby::buildkit::v1;

// The events that pass, in their order; with a limit (0: none) the newest ones, newest first. Events without a record pass no
// filter. Unknown: `invalid limit N`, `invalid time X`, `invalid duration X`, `failed to parse history filters …`.
absl::StatusOr<std::vector<api::BuildHistoryEvent>> FilterHistory(std::vector<api::BuildHistoryEvent> events, const std::vector<std::string>& filters, int32_t limit, int64_t now_ns);

}  // namespace bk::control
