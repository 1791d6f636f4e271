#include <chrono>

#include "daemon/session/session.h"

namespace bk::session {
namespace {

// Each of a client's returns may begin a transfer again; a connection that never holds must not do so for good.
constexpr int kMostAttempts = 8;
// A call learns that its connection broke before the session does.
constexpr std::chrono::milliseconds kGoneWait(1000);

// Whether `status` of a call is that of a session that went, and not the client's answer.
bool Went(const CancelToken& cancel, const Session& session, const absl::Status& status) {
  if (status.ok() || cancel.cancelled()) return false;
  if (session.gone().cancelled()) return true;
  return absl::IsUnavailable(status) && !session.gone().SleepFor(kGoneWait).ok();
}

}  // namespace

absl::Status WithSession(const CancelToken& cancel, Manager& manager, const std::string& id, const std::function<absl::Status(const std::shared_ptr<Session>&)>& f) {
  absl::Status broken;
  for (int attempt = 1;; attempt++) {
    auto session = manager.Get(cancel, id);
    if (!session.ok()) {
      BK_RETURN_IF_ERROR(cancel.Check());
      return broken.ok() ? session.status() : broken;
    }
    absl::Status status = f(*session);
    if (!Went(cancel, **session, status)) return status;
    broken = Annotate(status, "the client's connection broke in the middle of this");
    if (!(*session)->returns() || attempt == kMostAttempts || !manager.MayReturn(id)) return broken;
  }
}

absl::Status Any(const CancelToken& cancel, Manager& manager, const std::vector<std::string>& ids,
                 const std::function<absl::Status(const std::shared_ptr<Session>&)>& f) {
  absl::Status last = FailedPrecondition("no active sessions");
  for (const std::string& id : ids) {
    BK_RETURN_IF_ERROR(cancel.Check());
    last = WithSession(cancel, manager, id, f);
    if (last.ok()) return last;
  }
  return last;
}

}  // namespace bk::session
