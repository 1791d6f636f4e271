// A daemon for one run of buildctl: answers as a golden case says and keeps what it was asked.
//
// Control.Solve waits for the session and for the gateway's Return, as the real one does. Session streams are read and
// never used.
#pragma once

#include <memory>
#include <string>

#include "tests/golden/support/runner.h"

namespace bk::golden::text {

class FakeDaemon {
 public:
  // `server`: usage, workers, info, histories, status (protocol messages as JSON), exporter_response, bridge_metadata,
  // errors {METHOD: {code, message, details}}; hold_file: builds last as long as that file exists; builds_file gets a line a build. Listens on a unix socket.
  FakeDaemon(const std::string& socket_path, const Json& server);
  ~FakeDaemon();

  // "solve", "bridge_solve", "bridge_return", "session_headers" of a build, and "requests" of other calls.
  Json Seen() const;
  // The build's id and the session's id, as the client chose them.
  std::string ref() const;
  std::string session() const;

 private:
  struct State;
  class ControlService;
  class BridgeService;
  std::unique_ptr<State> state_;
};

}  // namespace bk::golden::text
