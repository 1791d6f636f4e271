// The stream of events of the build history, for the verbs that read it.
#pragma once

#include <chrono>
#include <functional>
#include <optional>

#include "base/cancel.h"
#include "client/conn/connection.h"
#include "control/control.pb.h"

namespace bk::client {

// `take` says whether it wants more; its error ends the stream and is returned. OK: it had enough, or there is nothing more.
// `wait`: how long at most.
using TakeEvent = std::function<absl::StatusOr<bool>(const moby::buildkit::v1::BuildHistoryEvent&)>;
absl::Status ListenHistory(const CancelToken& cancel, const Connection& connection, const moby::buildkit::v1::BuildHistoryRequest& request, const TakeEvent& take,
                           std::optional<std::chrono::seconds> wait = std::nullopt);

}  // namespace bk::client
