#include "daemon/ops/step_secrets.h"

namespace bk::ops {

absl::StatusOr<std::optional<std::string>> FetchSecret(const CancelToken& cancel, session::Manager& sessions, const std::vector<std::string>& session_ids, const std::string& id, bool optional) {
  std::string value;
  bool missing = false;  // the last session that was asked has none of this name
  auto status = session::Any(cancel, sessions, session_ids, [&](const std::shared_ptr<session::Session>& session) -> absl::Status {
    auto secret = session->GetSecret(cancel, id);
    missing = absl::IsNotFound(secret.status());
    if (secret.ok()) value = *std::move(secret);
    return secret.status();
  });
  if (!status.ok() && optional && missing) return std::optional<std::string>();
  if (!status.ok()) return status;
  return std::optional<std::string>(std::move(value));
}

}  // namespace bk::ops
