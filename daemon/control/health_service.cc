#include "daemon/control/health_service.h"

namespace bk::control {

namespace api = grpc::health::v1;

void HealthService::SetServing(bool serving) {
  serving_.Change([&](bool& s) { s = serving; });
}

grpc::ServerUnaryReactor* HealthService::Check(grpc::CallbackServerContext* context, const api::HealthCheckRequest* request, api::HealthCheckResponse* response) {
  if (!request->service().empty()) return wire::Answer(context, NotFound(wire::RpcErrorText(NotFound("unknown service"))));
  bool serving = serving_.With([](bool s) { return s; });
  response->set_status(serving ? api::HealthCheckResponse::SERVING : api::HealthCheckResponse::NOT_SERVING);
  return wire::Answer(context, absl::OkStatus());
}

grpc::ServerWriteReactor<api::HealthCheckResponse>* HealthService::Watch(grpc::CallbackServerContext*, const api::HealthCheckRequest* request) {
  bool known = request->service().empty();
  return wire::RunServerStream<api::HealthCheckResponse>(*tasks_, [this, known](const CancelToken& cancel, wire::Writer<api::HealthCheckResponse>& writer) -> absl::Status {
    CancelCallback wake(cancel, [this] { serving_.Change([](bool&) {}); });
    std::optional<bool> told;
    while (true) {
      bool now = serving_.WaitThen([&](bool& s) { return told != s || cancel.cancelled(); }, [](bool& s) { return s; });
      BK_RETURN_IF_ERROR(cancel.Check());
      told = now;
      api::HealthCheckResponse response;
      response.set_status(!known ? api::HealthCheckResponse::SERVICE_UNKNOWN : now ? api::HealthCheckResponse::SERVING : api::HealthCheckResponse::NOT_SERVING);
      BK_RETURN_IF_ERROR(writer.Write(response));
    }
  });
}

}  // namespace bk::control
