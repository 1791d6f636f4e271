#include "daemon/frontend/gateway/stdio_server.h"

#include <chrono>

#include "external/health.grpc.pb.h"
#include "proto/wire/grpc_setup.h"
#include "proto/wire/tunnel.h"

namespace bk::frontend::gateway {
namespace {

namespace health = grpc::health::v1;

class AlwaysServing : public health::Health::CallbackService {
 public:
  grpc::ServerUnaryReactor* Check(grpc::CallbackServerContext* context, const health::HealthCheckRequest*, health::HealthCheckResponse* response) override {
    response->set_status(health::HealthCheckResponse::SERVING);
    return wire::Answer(context, absl::OkStatus());
  }
};

}  // namespace

// Calls run on `tasks`: they end before what they use.
struct StdioServer::Parts {
  std::shared_ptr<Forwarder> forwarder;
  TaskGroup tasks;
  BridgeService bridge;
  AlwaysServing health;
  std::unique_ptr<grpc::experimental::ExternalConnectionAcceptor> acceptor;
  std::unique_ptr<grpc::Server> server;

  Parts(std::shared_ptr<Forwarder> f, BridgeService::ForClients for_clients)
      : forwarder(std::move(f)),
        bridge([this](const CancelToken& cancel, const char*, const std::string&) { return Forwarder::Call::Enter(forwarder, cancel); }, for_clients, &tasks) {}
  ~Parts() {
    forwarder->Close();
    if (server != nullptr) {
      server->Shutdown(std::chrono::system_clock::now() + std::chrono::seconds(1));
      server->Wait();
    }
    tasks.Wait();
  }
};

absl::StatusOr<std::unique_ptr<StdioServer>> StdioServer::Start(std::shared_ptr<Forwarder> forwarder, BridgeService::ForClients for_clients) {
  using grpc::experimental::ExternalConnectionAcceptor;
  std::unique_ptr<StdioServer> started(new StdioServer);
  BK_TRY(wire::TunnelEnds ends, wire::MakeTunnel());
  started->parts_ = std::make_unique<Parts>(std::move(forwarder), for_clients);
  Parts& parts = *started->parts_;
  grpc::ServerBuilder builder;
  wire::ConfigureServer(builder);
  parts.acceptor = builder.experimental().AddExternalConnectionAcceptor(grpc::ServerBuilder::experimental_type::ExternalConnectionType::FROM_FD, grpc::InsecureServerCredentials());
  builder.RegisterService(&parts.bridge);
  builder.RegisterService(&parts.health);
  parts.server = builder.BuildAndStart();
  if (parts.server == nullptr) return Internal("the gRPC server of a frontend does not start");
  started->client_end_ = std::move(ends.pump_end);
  ExternalConnectionAcceptor::NewConnectionParameters connection;
  connection.listener_fd = -1;
  connection.fd = ends.grpc_end.Release();
  parts.acceptor->HandleNewConnection(&connection);
  return started;
}

StdioServer::~StdioServer() = default;

}  // namespace bk::frontend::gateway
