// moby.buildkit.v1.frontend.LLBBridge on the main socket: finds the build that the call belongs to (header
// buildkit-controlapi-buildid) and hands the message to its Forwarder (trap 1).
#pragma once

#include "daemon/frontend/gateway/forwarder.h"
#include "frontend/gateway.grpc.pb.h"
#include "proto/wire/server_call.h"

namespace bk::control {

namespace gw = moby::buildkit::v1::frontend;

class GatewayService : public gw::LLBBridge::CallbackService {
 public:
  GatewayService(frontend::gateway::Forwarders* forwarders, TaskGroup* tasks) : forwarders_(forwarders), tasks_(tasks) {}

  grpc::ServerUnaryReactor* Ping(grpc::CallbackServerContext* context, const gw::PingRequest* request, gw::PongResponse* response) override;
  grpc::ServerUnaryReactor* Solve(grpc::CallbackServerContext* context, const gw::SolveRequest* request, gw::SolveResponse* response) override;
  grpc::ServerUnaryReactor* ResolveImageConfig(grpc::CallbackServerContext* context, const gw::ResolveImageConfigRequest* request, gw::ResolveImageConfigResponse* response) override;
  grpc::ServerUnaryReactor* ResolveSourceMeta(grpc::CallbackServerContext* context, const gw::ResolveSourceMetaRequest* request, gw::ResolveSourceMetaResponse* response) override;
  grpc::ServerUnaryReactor* ReadFile(grpc::CallbackServerContext* context, const gw::ReadFileRequest* request, gw::ReadFileResponse* response) override;
  grpc::ServerUnaryReactor* ReadDir(grpc::CallbackServerContext* context, const gw::ReadDirRequest* request, gw::ReadDirResponse* response) override;
  grpc::ServerUnaryReactor* StatFile(grpc::CallbackServerContext* context, const gw::StatFileRequest* request, gw::StatFileResponse* response) override;
  grpc::ServerUnaryReactor* Evaluate(grpc::CallbackServerContext* context, const gw::EvaluateRequest* request, gw::EvaluateResponse* response) override;
  grpc::ServerUnaryReactor* Inputs(grpc::CallbackServerContext* context, const gw::InputsRequest* request, gw::InputsResponse* response) override;
  grpc::ServerUnaryReactor* Warn(grpc::CallbackServerContext* context, const gw::WarnRequest* request, gw::WarnResponse* response) override;
  grpc::ServerUnaryReactor* Return(grpc::CallbackServerContext* context, const gw::ReturnRequest* request, gw::ReturnResponse* response) override;

 private:
  // Runs `call(cancel, forwarder)` for the build named in the headers; `name` is for the message when there is none.
  template <typename Response, typename Call>
  grpc::ServerUnaryReactor* Forward(const char* name, grpc::CallbackServerContext* context, Response* response, Call call);

  frontend::gateway::Forwarders* forwarders_;
  TaskGroup* tasks_;
};

}  // namespace bk::control
