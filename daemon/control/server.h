// The daemon's gRPC face as one object: Control, LLBBridge, health, content and trace export.
//
//   Services services({.engine = &engine, .sessions = &sessions, …});
//   grpc::ServerBuilder builder; wire::ConfigureServer(builder); builder.AddListeningPort(…); services.Register(builder);
//   … on SIGTERM: services.StartDraining(); if (!services.WaitForBuilds(10s)) services.CancelBuilds();
//   server->Shutdown(deadline); then the Services may end.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <vector>

#include "daemon/cache/ref.h"

namespace grpc {
class ServerBuilder;
}
namespace bk::content {
class ContentStore;
}
namespace bk::llb {
class Engine;
}
namespace bk::history {
class Records;
}
namespace bk::session {
class ConnectedSessions;
}

namespace bk::control {

// What is pointed at must outlive the services.
struct ControlParts {
  llb::Engine* engine = nullptr;
  session::ConnectedSessions* sessions = nullptr;
  content::ContentStore* content = nullptr;    // null: no content service
  history::Records* records = nullptr;         // of builds that ended; null: none are kept
  std::vector<cache::PruneOptions> gc_policy;  // shown by ListWorkers
  std::function<void()> after_build;           // e.g. wakes the garbage collection; may be null
};

// Thread-safe. Ends after the last call of the server it was registered on: shut that down first.
class Services {
 public:
  explicit Services(ControlParts parts);
  ~Services();
  Services(const Services&) = delete;
  Services& operator=(const Services&) = delete;

  // The services of the daemon's own addresses.
  void Register(grpc::ServerBuilder& builder);
  // Trace export alone, for the socket that steps see. On another server than the one above.
  void RegisterTraces(grpc::ServerBuilder& builder);

  // From now on new builds are refused with UNAVAILABLE and health says NOT_SERVING; running builds go on.
  void StartDraining();
  // Blocks until no build runs any more; false after `timeout`.
  bool WaitForBuilds(std::chrono::milliseconds timeout);
  // Cancels all running builds ("the daemon is shutting down"); their callers get the error.
  void CancelBuilds();
  int running_builds() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace bk::control
