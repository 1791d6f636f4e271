// One connected client over its HTTP/2 connection, on which the daemon is the gRPC caller.
//
// Calls block; a cancelled token cancels the call at the client. Thread-safe.
#pragma once

#include <set>

#include <grpcpp/grpcpp.h>

#include "daemon/session/session.h"

namespace bk::session {

class GrpcSession : public Session {
 public:
  struct Identity {
    std::string id, name, shared_key;
    std::set<std::string> methods;  // lower case
    std::string token;              // of a client that comes back; "" for others
    std::chrono::milliseconds keep{0};
    int64_t number = 0;             // of its connection
  };
  GrpcSession(Identity identity, std::shared_ptr<grpc::Channel> channel) : identity_(std::move(identity)), channel_(std::move(channel)) {}

  // Marks the client as gone: every call in flight fails.
  void End(absl::Status cause) { gone_.Cancel(std::move(cause)); }
  // grpc.health.v1 Check with a deadline.
  absl::Status CheckHealth(std::chrono::milliseconds timeout);

  const std::string& id() const override { return identity_.id; }
  const std::string& name() const override { return identity_.name; }
  const std::string& shared_key() const override { return identity_.shared_key; }
  CancelToken gone() const override { return gone_.token(); }
  bool returns() const override { return !identity_.token.empty(); }
  const Identity& identity() const { return identity_; }
  bool Supports(std::string_view grpc_method) const override;

  absl::StatusOr<std::unique_ptr<fsutil::Stream>> OpenFileSync(const CancelToken& cancel, const FileSyncRequest& request) override;
  absl::StatusOr<std::unique_ptr<fsutil::Stream>> OpenFileSendPackets(const CancelToken& cancel, const std::map<std::string, std::string>& headers) override;
  absl::StatusOr<std::unique_ptr<ByteSink>> OpenFileSendBytes(const CancelToken& cancel, const std::map<std::string, std::string>& headers) override;
  absl::Status PullUpload(const CancelToken& cancel, const std::string& host, const std::string& path, const std::function<absl::Status(std::string_view)>& sink) override;
  absl::StatusOr<std::string> GetSecret(const CancelToken& cancel, const std::string& id) override;
  absl::StatusOr<Credentials> GetCredentials(const CancelToken& cancel, const std::string& host) override;
  absl::StatusOr<Token> FetchToken(const CancelToken& cancel, const TokenRequest& request) override;
  absl::StatusOr<std::string> GetTokenAuthority(const CancelToken& cancel, const std::string& host, const std::string& salt) override;
  absl::StatusOr<std::string> VerifyTokenAuthority(const CancelToken& cancel, const std::string& host, const std::string& salt, const std::string& payload) override;
  absl::Status CheckSshAgent(const CancelToken& cancel, const std::string& id) override;
  absl::Status ForwardSshAgent(const CancelToken& cancel, const std::string& id, int fd) override;
  std::unique_ptr<RemoteStore> Store(const std::string& store_id) override;

 private:
  Identity identity_;
  std::shared_ptr<grpc::Channel> channel_;
  CancelSource gone_;
};

// A client call that ends when its token does.
class CallScope {
 public:
  explicit CallScope(const CancelToken& cancel) : callback_(cancel, [this] { context_.TryCancel(); }), cancel_(cancel) {}
  grpc::ClientContext* context() { return &context_; }
  // The call's status; the token's cause in place of what gRPC made of it.
  absl::Status Result(const grpc::Status& status) const;

 private:
  grpc::ClientContext context_;
  CancelCallback callback_;
  CancelToken cancel_;
};

}  // namespace bk::session
