#include "daemon/frontend/gateway/bridge_service.h"

namespace bk::frontend::gateway {
namespace {

std::string BuildId(const grpc::CallbackServerContext& context) {
  auto it = context.client_metadata().find("buildkit-controlapi-buildid");
  return it == context.client_metadata().end() ? "" : std::string(it->second.data(), it->second.size());
}

class GrpcExecStream final : public ExecStream {
 public:
  explicit GrpcExecStream(wire::BidiStream<api::ExecMessage, api::ExecMessage>& stream) : stream_(stream) {}
  bool Read(api::ExecMessage& message) override { return stream_.Read(message); }
  absl::Status Write(const api::ExecMessage& message) override { return stream_.Write(message); }
  void StopReading() override { stream_.Cancel(); }

 private:
  wire::BidiStream<api::ExecMessage, api::ExecMessage>& stream_;
};

}  // namespace

BridgeService::Begin BeginByHeader(Forwarders* forwarders) {
  return [forwarders](const CancelToken& cancel, const char* method, const std::string& build_id) -> absl::StatusOr<std::unique_ptr<Forwarder::Call>> {
    auto begun = forwarders->Begin(cancel, build_id);
    if (!begun.ok()) return Annotate(begun.status(), StrCat("forwarding ", method));
    return begun;
  };
}

template <typename Response, typename Call>
grpc::ServerUnaryReactor* BridgeService::Forward(const char* method, grpc::CallbackServerContext* context, Response* response, Call call) {
  // One of each is all that a build of buildctl calls; what is called again and again is no call to come back to.
  bool once = std::string_view(method) == "Solve" || std::string_view(method) == "Return";
  return wire::RunKept<Response>(once ? kept_ : nullptr, method, "", *tasks_, context, response, [this, method, id = BuildId(*context), call](const CancelToken& cancel, Response& out) -> absl::Status {
    BK_TRY(auto begun, begin_(cancel, method, id));
    auto answer = call(begun->cancel(), begun->forwarder());
    if (!answer.ok()) return for_clients_(answer.status());
    out = *std::move(answer);
    return absl::OkStatus();
  });
}

#define BK_FORWARD(Method, Request, Response, ...)                                                                                                     \
  grpc::ServerUnaryReactor* BridgeService::Method(grpc::CallbackServerContext* context, const api::Request* asked, api::Response* response) {          \
    return Forward(#Method, context, response, [request = *asked]([[maybe_unused]] const CancelToken& cancel, Forwarder& f) { return f.__VA_ARGS__; }); \
  }

BK_FORWARD(Ping, PingRequest, PongResponse, Ping())
BK_FORWARD(Solve, SolveRequest, SolveResponse, Solve(cancel, request))
BK_FORWARD(ResolveImageConfig, ResolveImageConfigRequest, ResolveImageConfigResponse, ResolveImageConfig(cancel, request))
BK_FORWARD(ResolveSourceMeta, ResolveSourceMetaRequest, ResolveSourceMetaResponse, ResolveSourceMeta(cancel, request))
BK_FORWARD(ReadFile, ReadFileRequest, ReadFileResponse, ReadFile(cancel, request))
BK_FORWARD(ReadDir, ReadDirRequest, ReadDirResponse, ReadDir(cancel, request))
BK_FORWARD(StatFile, StatFileRequest, StatFileResponse, StatFile(cancel, request))
BK_FORWARD(Evaluate, EvaluateRequest, EvaluateResponse, Evaluate(cancel, request))
BK_FORWARD(Inputs, InputsRequest, InputsResponse, GetInputs())
BK_FORWARD(Warn, WarnRequest, WarnResponse, Warn(request))
BK_FORWARD(Return, ReturnRequest, ReturnResponse, Return(request))
BK_FORWARD(NewContainer, NewContainerRequest, NewContainerResponse, NewContainer(cancel, request))
BK_FORWARD(ReleaseContainer, ReleaseContainerRequest, ReleaseContainerResponse, ReleaseContainer(request))
BK_FORWARD(ReadFileContainer, ReadFileRequest, ReadFileResponse, ReadFileContainer(request))
BK_FORWARD(ReadDirContainer, ReadDirRequest, ReadDirResponse, ReadDirContainer(cancel, request))
BK_FORWARD(StatFileContainer, StatFileRequest, StatFileResponse, StatFileContainer(request))
#undef BK_FORWARD

grpc::ServerBidiReactor<api::ExecMessage, api::ExecMessage>* BridgeService::ExecProcess(grpc::CallbackServerContext* context) {
  using Stream = wire::BidiStream<api::ExecMessage, api::ExecMessage>;
  return wire::RunBidi<api::ExecMessage, api::ExecMessage>(*tasks_, [this, id = BuildId(*context)](const CancelToken& cancel, Stream& stream) -> absl::Status {
    BK_TRY(auto begun, begin_(cancel, "ExecProcess", id));
    GrpcExecStream exec(stream);
    return begun->forwarder().ExecProcess(begun->cancel(), exec);
  });
}

}  // namespace bk::frontend::gateway
