#include "daemon/control/server.h"

#include <grpcpp/ext/proto_server_reflection_plugin.h>

#include "daemon/control/content_service.h"
#include "daemon/control/control_service.h"
#include "daemon/control/explain_service.h"
#include "daemon/control/health_service.h"
#include "daemon/control/resume_service.h"
#include "daemon/control/trace_service.h"
#include "daemon/frontend/gateway/bridge_service.h"
#include "daemon/llb/error_details.h"

namespace bk::control {

// Calls run on `tasks` and use everything else: they end before anything does.
struct Services::State {
  explicit State(ControlParts control_parts) : parts(std::move(control_parts)) {}
  const ControlParts parts;
  CancelSource shutdown;
  History history{parts.records};
  TaskGroup tasks;
  wire::KeptCalls kept;
  ControlService control{parts, shutdown.token(), &history, &tasks, &kept};
  frontend::gateway::BridgeService gateway{frontend::gateway::BeginByHeader(&parts.engine->forwarders()), &llb::ForClients, &tasks, &kept};
  HealthService health{&tasks};
  ExplainService explain{parts.engine->parts().journal, &tasks};
  ResumeService resume{&kept};
  TraceService traces;
  ContentService content{parts.content, &tasks};
  ~State() { tasks.Wait(); }
};

Services::Services(ControlParts parts) : state_(std::make_unique<State>(std::move(parts))) {
  // Builders that are made from now on serve the descriptions of their services; gRPC keeps one list of plugins a process.
  [[maybe_unused]] static const bool reflects = (grpc::reflection::InitProtoReflectionServerBuilderPlugin(), true);
}
Services::~Services() = default;

void Services::Register(grpc::ServerBuilder& builder) {
  builder.RegisterService(&state_->control);
  builder.RegisterService(&state_->gateway);
  builder.RegisterService(&state_->health);
  builder.RegisterService(&state_->resume);
  if (state_->parts.engine->parts().journal != nullptr) builder.RegisterService(&state_->explain);
  if (state_->parts.content != nullptr) builder.RegisterService(&state_->content);
  RegisterTraces(builder);
}

void Services::RegisterTraces(grpc::ServerBuilder& builder) { builder.RegisterService(&state_->traces); }

void Services::StartDraining() {
  state_->control.StartDraining();
  state_->history.StartDraining();
  state_->health.SetServing(false);
}

bool Services::WaitForBuilds(std::chrono::milliseconds timeout) { return state_->control.WaitForBuilds(timeout); }
void Services::CancelBuilds() { state_->shutdown.Cancel(Unavailable("the daemon is shutting down")); }
int Services::running_builds() const { return state_->control.running_builds(); }

}  // namespace bk::control
