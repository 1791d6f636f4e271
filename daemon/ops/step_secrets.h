// Secrets of a step: asked of the sessions of the builds that want it.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/cancel.h"
#include "daemon/session/session.h"

namespace bk::ops {

// nullopt when it is not there and `optional`. Unknown `secret ID: not found` else.
absl::StatusOr<std::optional<std::string>> FetchSecret(const CancelToken& cancel, session::Manager& sessions, const std::vector<std::string>& session_ids, const std::string& id, bool optional);

}  // namespace bk::ops
