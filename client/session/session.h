// The client's side of a session: services of ours that the daemon calls over a connection inside Control.Session.
//
// The roles are reversed there (trap 2): we are the gRPC server, on a socketpair that two pump threads join to the outer
// stream. The advertised method list is what the daemon goes by. Health checks are answered by gRPC's own service.
// Add before Run; Close may come from any thread at any time. See docs/wire.md.
#pragma once

#include <atomic>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/cancel.h"
#include "base/guarded.h"
#include "client/conn/connection.h"

namespace bk::client {

class Session {
 public:
  explicit Session(std::string shared_key = "");
  ~Session();
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  const std::string& id() const { return id_; }
  // Offers `service` (one at least is needed), whose full name ("moby.filesync.v1.FileSync") names its methods.
  void Add(const std::string& full_name, std::unique_ptr<grpc::Service> service);
  // "/pkg.Service/Method" of everything offered, sorted.
  std::vector<std::string> Methods() const;

  // Serves until Close, the daemon's end of the session, or cancellation (all OK). Unavailable and the like if no session
  // could be opened. May be called again, with another connection, when it ended before Close: the same services go on under
  // the same id. `headers`: more of the outer call's.
  using Headers = std::map<std::string, std::string>;
  absl::Status Run(const CancelToken& cancel, const Connection& connection, const Headers& headers = {});
  bool closed() const {
    return state_.With([](const State& s) { return s.closed; });
  }
  // Grows with each message of the daemon and each of ours that was sent.
  int64_t traffic() const { return traffic_; }
  // Ends this run only: its connection broke.
  void Drop();
  void Close();
  // Close, for a daemon that is known not to answer: nothing of it is waited for.
  void Break();

 private:
  struct Offer {
    std::string name;
    std::unique_ptr<grpc::Service> service;
  };
  struct State {
    bool closed = false, broken = false, dropped = false;
    int pump_fd = -1;  // while running
  };
  std::string id_, shared_key_;
  struct Server;  // of the services, from the first run to Close
  absl::Status StartServer();
  bool Moved(bool ok) {
    traffic_ += ok;
    return ok;
  }

  std::vector<Offer> offers_;
  std::unique_ptr<Server> server_;
  std::atomic<int64_t> traffic_{0};
  Guarded<State> state_;
};

}  // namespace bk::client
