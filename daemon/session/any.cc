#include <chrono>

#include "daemon/session/session.h"

namespace bk::session {

absl::Status Any(const CancelToken& cancel, Manager& manager, const std::vector<std::string>& ids,
                 const std::function<absl::Status(const std::shared_ptr<Session>&)>& f) {
  absl::Status last = FailedPrecondition("no active sessions");
  for (const std::string& id : ids) {
    BK_RETURN_IF_ERROR(cancel.Check());
    auto session = manager.Get(cancel, id);
    if (!session.ok()) {
      last = session.status();
      continue;
    }
    last = f(*session);
    if (last.ok()) return last;
  }
  return last;
}

}  // namespace bk::session
