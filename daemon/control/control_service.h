// moby.buildkit.v1.Control: checks a request, turns it into the daemon's values, hands it over. Nothing else.
//
// Calls that may block run on threads of the task group; gRPC's threads only start them. While draining, new builds are
// refused with UNAVAILABLE. Thread-safe.
#pragma once

#include <atomic>

#include "control/control.grpc.pb.h"
#include "daemon/control/history.h"
#include "daemon/llb/engine.h"
#include "daemon/session/connected.h"

namespace bk::control {

struct GcPolicy {
  cache::PruneOptions rule;
};

struct ControlParts {
  llb::Engine* engine = nullptr;
  session::ConnectedSessions* sessions = nullptr;
  History* history = nullptr;
  TaskGroup* tasks = nullptr;
  CancelToken shutdown;               // cancels running builds
  std::vector<cache::PruneOptions> gc_policy;
  std::function<void()> after_build;  // e.g. wakes the garbage collection
};

class ControlService : public api::Control::CallbackService {
 public:
  explicit ControlService(ControlParts parts) : parts_(std::move(parts)) {}

  // From now on new builds are refused; running ones go on.
  void StartDraining() { draining_ = true; }
  // Blocks until no build runs any more; false after `timeout`.
  bool WaitForBuilds(std::chrono::milliseconds timeout);

  grpc::ServerUnaryReactor* Info(grpc::CallbackServerContext* context, const api::InfoRequest* request, api::InfoResponse* response) override;
  grpc::ServerUnaryReactor* ListWorkers(grpc::CallbackServerContext* context, const api::ListWorkersRequest* request, api::ListWorkersResponse* response) override;
  grpc::ServerUnaryReactor* DiskUsage(grpc::CallbackServerContext* context, const api::DiskUsageRequest* request, api::DiskUsageResponse* response) override;
  grpc::ServerWriteReactor<api::UsageRecord>* Prune(grpc::CallbackServerContext* context, const api::PruneRequest* request) override;
  grpc::ServerUnaryReactor* Solve(grpc::CallbackServerContext* context, const api::SolveRequest* request, api::SolveResponse* response) override;
  grpc::ServerWriteReactor<api::StatusResponse>* Status(grpc::CallbackServerContext* context, const api::StatusRequest* request) override;
  grpc::ServerBidiReactor<api::BytesMessage, api::BytesMessage>* Session(grpc::CallbackServerContext* context) override;
  grpc::ServerWriteReactor<api::BuildHistoryEvent>* ListenBuildHistory(grpc::CallbackServerContext* context, const api::BuildHistoryRequest* request) override;
  grpc::ServerUnaryReactor* UpdateBuildHistory(grpc::CallbackServerContext* context, const api::UpdateBuildHistoryRequest* request, api::UpdateBuildHistoryResponse* response) override;

 private:
  absl::Status RunBuild(const CancelToken& cancel, const api::SolveRequest& request, api::SolveResponse& response);

  ControlParts parts_;
  std::atomic<bool> draining_{false};
  Guarded<int> builds_;  // running now
};

}  // namespace bk::control
