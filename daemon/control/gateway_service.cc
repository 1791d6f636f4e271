#include "daemon/control/gateway_service.h"

#include "daemon/llb/error_details.h"

namespace bk::control {
namespace {

std::string BuildId(const grpc::CallbackServerContext& context) {
  auto it = context.client_metadata().find("buildkit-controlapi-buildid");
  return it == context.client_metadata().end() ? "" : std::string(it->second.data(), it->second.size());
}

}  // namespace

using frontend::gateway::Forwarder;

template <typename Response, typename Call>
grpc::ServerUnaryReactor* GatewayService::Forward(const char* name, grpc::CallbackServerContext* context, Response* response, Call call) {
  return wire::RunUnary<Response>(*tasks_, context, response, [this, name, id = BuildId(*context), call](const CancelToken& cancel, Response& out) -> absl::Status {
    auto begun = forwarders_->Begin(cancel, id);
    if (!begun.ok()) return Annotate(begun.status(), StrCat("forwarding ", name));
    auto answer = call((*begun)->cancel(), (*begun)->forwarder());
    if (!answer.ok()) return llb::ForClients(answer.status());
    out = *std::move(answer);
    return absl::OkStatus();
  });
}

#define BK_FORWARD(Method, Request, Response)                                                                                                    \
  grpc::ServerUnaryReactor* GatewayService::Method(grpc::CallbackServerContext* context, const gw::Request* request, gw::Response* response) {   \
    return Forward(#Method, context, response, [request = *request](const CancelToken& cancel, Forwarder& f) { return f.Method(cancel, request); }); \
  }

BK_FORWARD(Solve, SolveRequest, SolveResponse)
BK_FORWARD(ResolveImageConfig, ResolveImageConfigRequest, ResolveImageConfigResponse)
BK_FORWARD(ResolveSourceMeta, ResolveSourceMetaRequest, ResolveSourceMetaResponse)
BK_FORWARD(ReadFile, ReadFileRequest, ReadFileResponse)
BK_FORWARD(ReadDir, ReadDirRequest, ReadDirResponse)
BK_FORWARD(StatFile, StatFileRequest, StatFileResponse)
BK_FORWARD(Evaluate, EvaluateRequest, EvaluateResponse)
#undef BK_FORWARD

grpc::ServerUnaryReactor* GatewayService::Ping(grpc::CallbackServerContext* context, const gw::PingRequest*, gw::PongResponse* response) {
  return Forward("Ping", context, response, [](const CancelToken&, Forwarder& f) { return f.Ping(); });
}

grpc::ServerUnaryReactor* GatewayService::Inputs(grpc::CallbackServerContext* context, const gw::InputsRequest*, gw::InputsResponse* response) {
  return Forward("Inputs", context, response, [](const CancelToken&, Forwarder& f) { return f.GetInputs(); });
}

grpc::ServerUnaryReactor* GatewayService::Warn(grpc::CallbackServerContext* context, const gw::WarnRequest* request, gw::WarnResponse* response) {
  return Forward("Warn", context, response, [request = *request](const CancelToken&, Forwarder& f) { return f.Warn(request); });
}

grpc::ServerUnaryReactor* GatewayService::Return(grpc::CallbackServerContext* context, const gw::ReturnRequest* request, gw::ReturnResponse* response) {
  return Forward("Return", context, response, [request = *request](const CancelToken&, Forwarder& f) { return f.Return(request); });
}

}  // namespace bk::control
