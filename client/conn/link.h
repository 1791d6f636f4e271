// The connection of one build, which may break and be made again while the build goes on (proto/wire/kept_calls.h).
//
// Everybody works with the connection of now and, when a call of theirs broke, waits for the next one; one thread makes it
// (Reconnect). With no time to keep, a Link is a plain connection: nothing is repeated, nothing waits. Thread-safe.
#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <string>

#include "base/guarded.h"
#include "client/conn/connection.h"

namespace bk::client {

// How long a build is to outlive its connection.
struct Keep {
  std::chrono::milliseconds time{0};                    // none: it ends with it
  std::string token;                                    // the client's secret
  std::function<void(const std::string&)> note = {};    // told what becomes of the connection
};

class Link {
 public:
  // `first` outlives the link.
  Link(const Connection& first, Keep keep);

  bool keeps() const { return keep_.time > keep_.time.zero(); }
  struct Use {
    int number = 0;
    std::shared_ptr<const Connection> connection;
    CancelToken broken;  // cancelled when this connection is given up
  };
  Use Now() const;

  // Runs `call(connection, context, again)` → grpc::Status; with the next connection when this one broke before an answer came.
  template <typename F>
  absl::Status Call(const CancelToken& cancel, F&& call) {
    for (bool again = false;; again = true) {
      Use use = Now();
      CallContext context(cancel);
      CancelCallback on_broken(use.broken, [&] { context->TryCancel(); });
      for (const auto& [key, value] : Headers(use)) context->AddMetadata(key, value);
      grpc::Status status = call(*use.connection, context.get(), again);
      bool answered = status.ok() || Answered(*context.get());
      if (answered || !Broke(cancel, use, status.error_code())) return use.connection->FromCall(status);
      BK_RETURN_IF_ERROR(AwaitNext(cancel, use.number));
    }
  }
  // What a call on this connection says so that it may be come back to.
  std::map<std::string, std::string> Headers(const Use& use) const;

  // Whether a call that ended with this code lost its connection; then the connection is given up.
  bool Broke(const CancelToken& cancel, const Use& use, grpc::StatusCode code);
  void GiveUp(int number);
  // Blocks until there is a newer connection. Otherwise why there will be none.
  absl::Status AwaitNext(const CancelToken& cancel, int number);
  // No connection will be made any more.
  void Close(const absl::Status& why);
  // Makes the next connection. Unavailable when the time is over, or the daemon is known to be gone. Blocks.
  absl::Status Reconnect(const CancelToken& cancel);
  // Tells the daemon that the build is not to go on; a second at most.
  void EndBuild() const;

 private:
  struct State {
    int number = 1;
    std::shared_ptr<const Connection> connection;
    std::shared_ptr<CancelSource> broken;
    absl::Status closed;
  };
  static bool Answered(const grpc::ClientContext& context);
  absl::Status Attempt(const CancelToken& cancel, const std::shared_ptr<const Connection>& connection, std::chrono::milliseconds timeout) const;

  const Keep keep_;
  Guarded<State> state_;
};

}  // namespace bk::client
