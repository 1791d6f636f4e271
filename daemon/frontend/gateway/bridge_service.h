// moby.buildkit.v1.frontend.LLBBridge: finds the frontend that a call belongs to and hands the message to its Forwarder.
//
// On the main socket the build is named in a header (buildkit-controlapi-buildid, trap 1); on the connection of a frontend
// container there is one only.
#pragma once

#include "daemon/frontend/gateway/forwarder.h"
#include "frontend/gateway.grpc.pb.h"
#include "proto/wire/kept_calls.h"

namespace bk::frontend::gateway {

class BridgeService : public api::LLBBridge::CallbackService {
 public:
  // Begins a call of the build that the header names; errors are the caller's answer. `method`: for messages.
  using Begin = std::function<absl::StatusOr<std::unique_ptr<Forwarder::Call>>(const CancelToken& cancel, const char* method, const std::string& build_id)>;
  // Gives an error the code that clients see.
  using ForClients = absl::Status (*)(const absl::Status&);
  // `kept`: for the Solve and Return of clients that may lose their connection; null: none are kept.
  BridgeService(Begin begin, ForClients for_clients, TaskGroup* tasks, wire::KeptCalls* kept = nullptr)
      : begin_(std::move(begin)), for_clients_(for_clients), tasks_(tasks), kept_(kept) {}

#define BK_UNARY(Method, Request, Response) \
  grpc::ServerUnaryReactor* Method(grpc::CallbackServerContext* context, const api::Request* request, api::Response* response) override;
  BK_UNARY(Ping, PingRequest, PongResponse)
  BK_UNARY(Solve, SolveRequest, SolveResponse)
  BK_UNARY(ResolveImageConfig, ResolveImageConfigRequest, ResolveImageConfigResponse)
  BK_UNARY(ResolveSourceMeta, ResolveSourceMetaRequest, ResolveSourceMetaResponse)
  BK_UNARY(ReadFile, ReadFileRequest, ReadFileResponse)
  BK_UNARY(ReadDir, ReadDirRequest, ReadDirResponse)
  BK_UNARY(StatFile, StatFileRequest, StatFileResponse)
  BK_UNARY(Evaluate, EvaluateRequest, EvaluateResponse)
  BK_UNARY(Inputs, InputsRequest, InputsResponse)
  BK_UNARY(Warn, WarnRequest, WarnResponse)
  BK_UNARY(Return, ReturnRequest, ReturnResponse)
  BK_UNARY(NewContainer, NewContainerRequest, NewContainerResponse)
  BK_UNARY(ReleaseContainer, ReleaseContainerRequest, ReleaseContainerResponse)
  BK_UNARY(ReadFileContainer, ReadFileRequest, ReadFileResponse)
  BK_UNARY(ReadDirContainer, ReadDirRequest, ReadDirResponse)
  BK_UNARY(StatFileContainer, StatFileRequest, StatFileResponse)
#undef BK_UNARY
  grpc::ServerBidiReactor<api::ExecMessage, api::ExecMessage>* ExecProcess(grpc::CallbackServerContext* context) override;

 private:
  // Runs `call(cancel, forwarder)` for the frontend that the headers name.
  template <typename Response, typename Call>
  grpc::ServerUnaryReactor* Forward(const char* method, grpc::CallbackServerContext* context, Response* response, Call call);

  const Begin begin_;
  const ForClients for_clients_;
  TaskGroup* const tasks_;
  wire::KeptCalls* const kept_;
};

// The calls of the builds whose frontends run in clients.
BridgeService::Begin BeginByHeader(Forwarders* forwarders);

}  // namespace bk::frontend::gateway
