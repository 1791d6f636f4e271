#include "tests/golden/text/fake_daemon.h"

#include <google/protobuf/util/json_util.h>
#include <grpcpp/grpcpp.h>

#include <algorithm>
#include <fstream>
#include <thread>

#include "base/digest.h"
#include "base/guarded.h"
#include "base/os/file.h"
#include "control/control.grpc.pb.h"
#include "frontend/gateway.grpc.pb.h"
#include "proto/llb/caps.h"
#include "proto/wire/status_codec.h"

namespace bk::golden::text {
namespace {

namespace control = moby::buildkit::v1;
namespace gateway = moby::buildkit::v1::frontend;

Json ToJson(const google::protobuf::Message& message) {
  std::string text;
  (void)google::protobuf::util::MessageToJsonString(message, &text);
  return Json::parse(text);
}

template <typename Message>
Message FromJson(const Json& json) {
  Message message;
  auto status = google::protobuf::util::JsonStringToMessage(json.dump(), &message);
  if (!status.ok()) throw std::runtime_error("bad message in the case: " + std::string(status.message()));
  return message;
}

// A status as the cases write it: details with their JSON spelled out.
Json StatusJson(const google::rpc::Status& status) {
  Json out = {{"code", status.code()}};
  for (const auto& detail : status.details()) out["details"].push_back({{"json", Json::parse(detail.value())}, {"type_url", detail.type_url()}});
  if (!status.message().empty()) out["message"] = status.message();
  return out;
}

grpc::Status ToGrpc(const Json& error) {
  google::rpc::Status status;
  status.set_code(error.at("code").get<int>());
  status.set_message(error.value("message", ""));
  for (const Json& detail : error.value("details", Json::array())) {
    auto* any = status.add_details();
    any->set_type_url(detail.at("type_url").get<std::string>());
    any->set_value(detail.at("json").dump());
  }
  return grpc::Status(static_cast<grpc::StatusCode>(status.code()), status.message(), status.SerializeAsString());
}

}  // namespace

struct FakeDaemon::State {
  struct Build {
    Json seen = Json::object();
    std::string ref, session;
    bool returned = false;
    grpc::Status outcome;
  };
  Json server;
  Guarded<Build> build;
  std::unique_ptr<grpc::Service> control, bridge;
  std::unique_ptr<grpc::Server> grpc_server;

  // The error that the case wants for a method, or OK.
  grpc::Status Error(const std::string& method) const {
    const Json errors = server.value("errors", Json::object());
    return errors.contains(method) ? ToGrpc(errors.at(method)) : grpc::Status::OK;
  }
  Json List(const char* key) const { return server.contains(key) && server.at(key).is_array() ? server.at(key) : Json::array(); }
  void Asked(const std::string& method, const google::protobuf::Message& request) {
    build.With([&](Build& b) { b.seen["requests"].push_back({{"method", method}, {"request", ToJson(request)}}); });
  }
};

class FakeDaemon::ControlService : public control::Control::Service {
 public:
  explicit ControlService(State& state) : state_(state) {}

  grpc::Status ListWorkers(grpc::ServerContext*, const control::ListWorkersRequest* request, control::ListWorkersResponse* response) override {
    state_.Asked("ListWorkers", *request);
    for (const Json& worker : state_.List("workers")) *response->add_record() = FromJson<control::types::WorkerRecord>(worker);
    return state_.Error("ListWorkers");
  }
  grpc::Status Info(grpc::ServerContext*, const control::InfoRequest* request, control::InfoResponse* response) override {
    state_.Asked("Info", *request);
    if (state_.server.contains("info")) *response = FromJson<control::InfoResponse>(state_.server.at("info"));
    return state_.Error("Info");
  }
  grpc::Status DiskUsage(grpc::ServerContext*, const control::DiskUsageRequest* request, control::DiskUsageResponse* response) override {
    state_.Asked("DiskUsage", *request);
    for (const Json& record : state_.List("usage")) *response->add_record() = FromJson<control::UsageRecord>(record);
    return state_.Error("DiskUsage");
  }
  grpc::Status Prune(grpc::ServerContext*, const control::PruneRequest* request, grpc::ServerWriter<control::UsageRecord>* out) override {
    state_.Asked("Prune", *request);
    for (const Json& record : state_.List("usage")) out->Write(FromJson<control::UsageRecord>(record));
    return state_.Error("Prune");
  }
  grpc::Status Status(grpc::ServerContext*, const control::StatusRequest*, grpc::ServerWriter<control::StatusResponse>* out) override {
    for (const Json& status : state_.List("status")) out->Write(FromJson<control::StatusResponse>(status));
    return state_.Error("Status");
  }
  grpc::Status ListenBuildHistory(grpc::ServerContext*, const control::BuildHistoryRequest* request, grpc::ServerWriter<control::BuildHistoryEvent>* out) override {
    state_.Asked("ListenBuildHistory", *request);
    for (const Json& event : state_.List("histories")) out->Write(FromJson<control::BuildHistoryEvent>(event));
    return state_.Error("ListenBuildHistory");
  }
  grpc::Status UpdateBuildHistory(grpc::ServerContext*, const control::UpdateBuildHistoryRequest* request, control::UpdateBuildHistoryResponse*) override {
    state_.Asked("UpdateBuildHistory", *request);
    return state_.Error("UpdateBuildHistory:" + request->ref());
  }
  grpc::Status Session(grpc::ServerContext* context, grpc::ServerReaderWriter<control::BytesMessage, control::BytesMessage>* stream) override {
    Json headers = Json::object();
    for (const auto& [key, value] : context->client_metadata()) {
      std::string name(key.data(), key.size());
      if (name.starts_with("x-docker-expose-session")) headers[name].push_back(std::string(value.data(), value.size()));
    }
    state_.build.Change([&](State::Build& b) {
      b.session = headers.value("x-docker-expose-session-uuid", Json::array({""})).at(0).get<std::string>();
      b.seen["session_headers"] = headers;
    });
    control::BytesMessage message;
    while (stream->Read(&message)) {
    }
    return grpc::Status::OK;
  }
  grpc::Status Solve(grpc::ServerContext* context, const control::SolveRequest* request, control::SolveResponse* response) override {
    state_.build.Change([&](State::Build& b) {
      b.ref = request->ref();
      b.seen["solve"] = ToJson(*request);
    });
    if (std::string builds = state_.server.value("builds_file", ""); !builds.empty()) std::ofstream(builds, std::ios::app) << request->ref() << "\n";
    grpc::Status outcome = grpc::Status::CANCELLED;
    while (!context->IsCancelled()) {
      if (!state_.build.WaitFor(std::chrono::milliseconds(50), [](State::Build& b) { return b.returned && !b.session.empty(); })) continue;
      outcome = state_.build.With([](State::Build& b) { return b.outcome; });
      break;
    }
    const Json answers = state_.server.value("exporter_response", Json::object());
    for (const auto& [key, value] : answers.items()) {
      (*response->mutable_exporterresponse())[key] = value.get<std::string>();
    }
    std::string hold = state_.server.value("hold_file", "");
    while (!hold.empty() && os::Exists(hold) && !context->IsCancelled()) std::this_thread::sleep_for(std::chrono::milliseconds(20));
    grpc::Status error = context->IsCancelled() ? grpc::Status::CANCELLED : state_.Error("Solve");
    return error.ok() ? outcome : error;
  }

 private:
  State& state_;
};

class FakeDaemon::BridgeService : public gateway::LLBBridge::Service {
 public:
  explicit BridgeService(State& state) : state_(state) {}

  grpc::Status Ping(grpc::ServerContext*, const gateway::PingRequest*, gateway::PongResponse* response) override {
    for (const llb::Capability& capability : llb::LlbCapabilities()) {
      auto* cap = response->add_llbcaps();
      cap->set_id(std::string(capability.id));
      cap->set_enabled(true);
    }
    return state_.Error("LLBBridge/Ping");
  }
  grpc::Status Solve(grpc::ServerContext*, const gateway::SolveRequest* request, gateway::SolveResponse* response) override {
    state_.build.With([&](State::Build& b) { b.seen["bridge_solve"] = ToJson(*request); });
    const Json metadata = state_.server.value("bridge_metadata", Json::object());
    for (const auto& [key, value] : metadata.items()) {
      (*response->mutable_result()->mutable_metadata())[key] = Base64Decode(value.get<std::string>()).value_or("");
    }
    response->mutable_result()->mutable_ref();
    return state_.Error("LLBBridge/Solve");
  }
  grpc::Status Return(grpc::ServerContext*, const gateway::ReturnRequest* request, gateway::ReturnResponse*) override {
    state_.build.Change([&](State::Build& b) {
      b.returned = true;
      if (!request->has_error()) {
        b.seen["bridge_return"] = ToJson(*request);
        return;
      }
      b.seen["bridge_return"] = {{"error", StatusJson(request->error())}};
      b.outcome = grpc::Status(static_cast<grpc::StatusCode>(request->error().code()), request->error().message(), request->error().SerializeAsString());
    });
    return grpc::Status::OK;
  }

 private:
  State& state_;
};

FakeDaemon::FakeDaemon(const std::string& socket_path, const Json& server) : state_(std::make_unique<State>()) {
  state_->server = server.is_object() ? server : Json::object();
  state_->control = std::make_unique<ControlService>(*state_);
  state_->bridge = std::make_unique<BridgeService>(*state_);
  grpc::ServerBuilder builder;
  builder.AddListeningPort("unix:" + socket_path, grpc::InsecureServerCredentials());
  builder.RegisterService(state_->control.get());
  builder.RegisterService(state_->bridge.get());
  state_->grpc_server = builder.BuildAndStart();
}

FakeDaemon::~FakeDaemon() {
  state_->grpc_server->Shutdown(std::chrono::system_clock::now());
  state_->grpc_server->Wait();
}

Json FakeDaemon::Seen() const {
  return state_->build.With([](State::Build& b) { return b.seen; });
}
std::string FakeDaemon::ref() const {
  return state_->build.With([](State::Build& b) { return b.ref; });
}
std::string FakeDaemon::session() const {
  return state_->build.With([](State::Build& b) { return b.session; });
}

}  // namespace bk::golden::text
