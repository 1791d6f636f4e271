// The sessions that are connected to this daemon: accepts Control.Session streams and watches each client's health.
//
// A session runs on the thread of its Control.Session call (health checks) and two pumps. Thread-safe.
#pragma once

#include <map>
#include <memory>
#include <string>

#include "base/guarded.h"
#include "control/control.pb.h"
#include "daemon/session/session.h"
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

 private:
  Guarded<std::map<std::string, std::shared_ptr<Session>>> sessions_;
};

}  // namespace bk::session
