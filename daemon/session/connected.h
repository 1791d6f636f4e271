// The sessions that are connected to this daemon: accepts Control.Session streams and watches each client's health.
//
// The session of a client that said so (proto/wire/kept_calls.h) may go and return under its id: who asks for it meanwhile waits.
// A session runs on the thread of its Control.Session call (health checks) and two pumps. Thread-safe.
#pragma once

#include <map>
#include <memory>
#include <string>

#include "base/guarded.h"
#include "control/control.pb.h"
#include "daemon/session/grpc_session.h"
#include "proto/wire/server_call.h"

namespace bk::session {

class ConnectedSessions : public Manager {
 public:
  using Stream = wire::BidiStream<moby::buildkit::v1::BytesMessage, moby::buildkit::v1::BytesMessage>;
  // Request headers of Control.Session, keys in lower case.
  using Headers = std::multimap<std::string, std::string>;

  // Serves one session until either side ends it. Returns the call's status.
  absl::Status Serve(const CancelToken& cancel, Stream& stream, const Headers& headers);

  absl::StatusOr<std::shared_ptr<Session>> Get(const CancelToken& cancel, const std::string& id, bool no_wait) override;
  bool MayReturn(const std::string& id) const override;

 private:
  using Time = std::chrono::steady_clock::time_point;
  struct Away {
    std::string token;  // whoever returns must have it
    int64_t number;     // and a connection that is not older
    Time until;
  };
  struct State {
    std::map<std::string, std::shared_ptr<GrpcSession>> connected;
    std::map<std::string, Away> away;
  };
  // PermissionDenied for the id of another client that comes back, FailedPrecondition for what comes late from an earlier connection of the
  // same one. One that is still here is ended: its connection is dead.
  absl::Status Enter(const std::shared_ptr<GrpcSession>& session);
  void Leave(const std::shared_ptr<GrpcSession>& session);
  Guarded<State> state_;
};

}  // namespace bk::session
