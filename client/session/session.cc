#include "client/session/session.h"

#include <google/protobuf/descriptor.h>
#include <grpcpp/ext/health_check_service_server_builder_option.h>
#include <grpcpp/health_check_service_interface.h>
#include <grpcpp/server_posix.h>
#include <sys/socket.h>

#include <algorithm>
#include <thread>

#include "base/id.h"
#include "client/session/queued_service.h"
#include "control/control.grpc.pb.h"
#include "proto/wire/grpc_setup.h"
#include "proto/wire/tunnel.h"

namespace bk::client {
namespace {

using moby::buildkit::v1::BytesMessage;
using moby::buildkit::v1::Control;

constexpr char kHealthService[] = "grpc.health.v1.Health";
constexpr const char* kHealthMethods[] = {"/grpc.health.v1.Health/Check", "/grpc.health.v1.Health/Watch"};
// How long the daemon may take to end the outer stream after we closed our half.
constexpr std::chrono::seconds kCloseTimeout(3);

void EnableHealth() {
  // A switch of the whole process in gRPC's API.
  static const bool enabled = [] {
    grpc::EnableDefaultHealthCheckService(true);
    return true;
  }();
  (void)enabled;
}

// The outer stream as the pump sees it.
class OuterStream {
 public:
  OuterStream(Control::Stub& stub, grpc::ClientContext& context) : context_(context), stream_(stub.Session(&context)) {}

  bool Send(std::string_view bytes) {
    BytesMessage message;
    message.set_data(bytes.data(), bytes.size());
    std::lock_guard lock(writing_);
    return stream_->Write(message);
  }
  bool Receive(std::string& bytes) {
    BytesMessage message;
    bool ok = stream_->Read(&message);
    if (ok) bytes = std::move(*message.mutable_data());
    if (!ok) ended_.Change([](bool& ended) { ended = true; });
    return ok;
  }
  // Half-closes, and breaks the call if the daemon does not end it in time.
  void End(std::chrono::milliseconds timeout) {
    watchdog_ = std::thread([this, timeout] {
      if (!ended_.WaitFor(timeout, [](bool& ended) { return ended; })) context_.TryCancel();
    });
    if (ended_.With([](bool& ended) { return ended; })) return;
    std::lock_guard lock(writing_);
    stream_->WritesDone();
  }
  grpc::Status Finish() {
    // The daemon's last bytes (its GOAWAY) may still come when our end is closed already.
    std::string rest;
    while (!ended_.With([](bool& ended) { return ended; })) Receive(rest);
    if (watchdog_.joinable()) watchdog_.join();
    return stream_->Finish();
  }

 private:
  grpc::ClientContext& context_;
  std::unique_ptr<grpc::ClientReaderWriter<BytesMessage, BytesMessage>> stream_;
  std::mutex writing_;
  Guarded<bool> ended_;
  std::thread watchdog_;
};

// Threads of the services that serve a queue of their own.
class QueueThreads {
 public:
  ~QueueThreads() { End(); }
  void Add(QueuedService* service, grpc::ServerBuilder& builder) { rows_.push_back({service, builder.AddCompletionQueue(), {}}); }
  void Start() {
    for (Row& row : rows_) row.thread = std::thread([&row] { row.service->Serve(row.queue.get()); });
  }
  // After the server's shutdown.
  void End() {
    for (Row& row : rows_) {
      if (row.thread.joinable()) row.thread.join();  // its request for the next call failed
      row.queue->Shutdown();
      void* tag;
      bool ok;
      while (row.queue->Next(&tag, &ok)) {
      }
    }
    rows_.clear();
  }

 private:
  struct Row {
    QueuedService* service;
    std::unique_ptr<grpc::ServerCompletionQueue> queue;
    std::thread thread;
  };
  std::vector<Row> rows_;
};

}  // namespace

Session::Session(std::string shared_key) : id_(NewId()), shared_key_(std::move(shared_key)) {}
Session::~Session() = default;

void Session::Add(const std::string& full_name, std::unique_ptr<grpc::Service> service) { offers_.push_back({full_name, std::move(service)}); }

std::vector<std::string> Session::Methods() const {
  std::vector<std::string> methods(std::begin(kHealthMethods), std::end(kHealthMethods));
  for (const Offer& offer : offers_) {
    const auto* service = google::protobuf::DescriptorPool::generated_pool()->FindServiceByName(offer.name);
    for (int i = 0; service != nullptr && i < service->method_count(); i++) methods.push_back(StrCat("/", offer.name, "/", service->method(i)->name()));
  }
  std::sort(methods.begin(), methods.end());
  return methods;
}

struct Session::Server {
  QueueThreads queued;
  std::unique_ptr<grpc::Server> server;
  ~Server() {
    if (server == nullptr) return;
    server->Shutdown(std::chrono::system_clock::now());
    queued.End();
    server->Wait();
  }
};

absl::Status Session::StartServer() {
  grpc::ServerBuilder builder;
  wire::ConfigureServer(builder);
  auto made = std::make_unique<Server>();
  for (Offer& offer : offers_) {
    builder.RegisterService(offer.service.get());
    if (auto* service = dynamic_cast<QueuedService*>(offer.service.get())) made->queued.Add(service, builder);
  }
  made->server = builder.BuildAndStart();
  if (made->server == nullptr) return Internal("cannot start the session's server");
  made->queued.Start();
  if (auto* health = made->server->GetHealthCheckService()) health->SetServingStatus(kHealthService, true);
  server_ = std::move(made);
  return absl::OkStatus();
}

absl::Status Session::Run(const CancelToken& cancel, const Connection& connection, const Headers& headers) {
  wire::HoldGrpc();
  EnableHealth();
  BK_TRY(wire::TunnelEnds ends, wire::MakeTunnel());
  bool closed = state_.With([&](State& s) {
    s.pump_fd = s.closed ? -1 : ends.pump_end.get();
    s.dropped = false;
    return s.closed;
  });
  if (closed) return absl::OkStatus();
  if (server_ == nullptr) {
    if (absl::Status status = StartServer(); !status.ok()) {
      state_.With([](State& s) { s.pump_fd = -1; });
      return status;
    }
  }
  grpc::AddInsecureChannelFromFd(server_->server.get(), ends.grpc_end.Release());

  grpc::ClientContext context;
  context.AddMetadata("x-docker-expose-session-uuid", id_);
  context.AddMetadata("x-docker-expose-session-sharedkey", shared_key_);
  for (const std::string& method : Methods()) context.AddMetadata("x-docker-expose-session-grpc-method", method);
  for (const auto& [key, value] : headers) context.AddMetadata(key, value);
  auto stub = Control::NewStub(connection.channel());
  OuterStream outer(*stub, context);
  {
    CancelCallback on_cancel(cancel, [this] { Close(); });
    wire::Pump(
        ends.pump_end.get(), [&](std::string_view bytes) { return Moved(outer.Send(bytes)); }, [&](std::string& bytes) { return Moved(outer.Receive(bytes)); },
        [&] { outer.End(state_.With([](State& s) { return s.broken || s.dropped ? std::chrono::milliseconds(0) : std::chrono::milliseconds(kCloseTimeout); })); });
  }
  grpc::Status status = outer.Finish();
  bool expected = state_.With([](State& s) {
    s.pump_fd = -1;
    return s.closed;
  });
  if (expected) server_.reset();
  return expected || status.ok() ? absl::OkStatus() : connection.FromCall(status);
}

void Session::Drop() {
  state_.With([](State& s) {
    s.dropped = true;
    if (s.pump_fd >= 0) shutdown(s.pump_fd, SHUT_RDWR);
  });
}

void Session::Break() {
  state_.With([](State& s) { s.broken = true; });
  Close();
}

void Session::Close() {
  state_.With([](State& s) {
    s.closed = true;
    if (s.pump_fd >= 0) shutdown(s.pump_fd, SHUT_RDWR);
  });
}

}  // namespace bk::client
