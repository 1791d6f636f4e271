// One connection to the daemon: the gRPC channel, and its errors in the words that users of the reference know.
//
// Made lazily: nothing is dialled before the first call. Thread-safe.
#pragma once

#include <grpcpp/grpcpp.h>

#include <chrono>
#include <memory>

#include "base/cancel.h"
#include "client/conn/address.h"
#include "client/conn/helper.h"
#include "proto/wire/tls.h"

namespace bk::client {

struct Tls {
  wire::TlsFiles files;     // none: no encryption
  std::string server_name;  // "" = the address's host
};

class Connection {
 public:
  // Without TLS, and not through a helper. `companion` lives as long as the connection: what the daemon behind it needs.
  explicit Connection(Address address, std::shared_ptr<void> companion = nullptr);
  // For every address. Files of `tls` are read now; a helper is started now. InvalidArgument for TLS over a helper, whose
  // other end is a unix socket.
  static absl::StatusOr<std::unique_ptr<Connection>> Open(Address address, const Tls& tls);

  // Another one to the same place, for when this one broke. Fails only where a helper cannot be started.
  absl::StatusOr<std::unique_ptr<Connection>> Again() const;

  const std::shared_ptr<grpc::Channel>& channel() const { return channel_; }
  const Address& address() const { return address_; }

  // Blocks until the daemon answers a call (any answer), or for `timeout` (DeadlineExceeded "context deadline exceeded").
  // Unavailable when a helper has ended: another connection is to be opened.
  absl::Status WaitUntilReady(const CancelToken& cancel, std::chrono::milliseconds timeout) const;

  // A call's outcome with its typed details. When no daemon could be reached the message says where it was looked for, and why.
  absl::Status FromCall(const grpc::Status& status) const;

 private:
  Connection(Address address, std::shared_ptr<Helper> helper);
  Connection(Address address, std::shared_ptr<grpc::ChannelCredentials> credentials, std::string tls_name);
  grpc::ChannelArguments Arguments() const;

  std::shared_ptr<void> companion_;
  std::string tls_name_;  // that the daemon's certificate must have
  std::shared_ptr<Helper> helper_;  // outlives the channel
  Address address_;
  std::shared_ptr<grpc::ChannelCredentials> credentials_;
  std::shared_ptr<grpc::Channel> channel_;
};

// A call's context that is cancelled when `cancel` is.
class CallContext {
 public:
  explicit CallContext(const CancelToken& cancel) : on_cancel_(cancel, [this] { context_.TryCancel(); }) {}
  grpc::ClientContext* get() { return &context_; }
  grpc::ClientContext* operator->() { return &context_; }

 private:
  grpc::ClientContext context_;
  CancelCallback on_cancel_;
};

// How errors of calls are shown: the code's name before the message, but for Unknown ones, and what their details say.
std::string ErrorText(const absl::Status& status);
// The same status with the message `prefix: <shown text>`; the code stays, and is not shown twice.
absl::Status AnnotateCall(const absl::Status& status, std::string_view prefix);

}  // namespace bk::client
