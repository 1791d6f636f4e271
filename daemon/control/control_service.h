// moby.buildkit.v1.Control: checks a request, turns it into the daemon's values, hands it over. Nothing else.
//
// Calls that may block run on threads of the task group; gRPC's threads only start them. While draining, new builds are
// refused with UNAVAILABLE. Thread-safe.
#pragma once

#include "control/control.grpc.pb.h"
#include "daemon/control/history.h"
#include "daemon/control/server.h"
#include "daemon/llb/engine.h"
#include "daemon/session/connected.h"
#include "proto/wire/kept_calls.h"

namespace bk::control {

class ControlService : public api::Control::CallbackService {
 public:
  // `shutdown` cancels running builds.
  ControlService(const ControlParts& parts, CancelToken shutdown, History* history, TaskGroup* tasks, wire::KeptCalls* kept)
      : parts_(parts), shutdown_(std::move(shutdown)), history_(history), tasks_(tasks), kept_(kept) {}

  // From now on new builds are refused; running ones go on.
  void StartDraining() {
    builds_.With([](Builds& b) { b.draining = true; });
  }
  // Blocks until no build runs any more; false after `timeout`.
  bool WaitForBuilds(std::chrono::milliseconds timeout);
  int running_builds() const {
    return builds_.With([](const Builds& b) { return b.running; });
  }

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
  absl::Status FillWorkers(const std::vector<std::string>& wanted, api::ListWorkersResponse& out) const;
  absl::Status RunBuild(const CancelToken& cancel, const api::SolveRequest& request, api::SolveResponse& response);

  // Counts a build in; false while draining.
  bool BeginBuild();

  struct Builds {
    int running = 0;
    bool draining = false;
  };
  const ControlParts& parts_;
  const CancelToken shutdown_;
  History* const history_;
  TaskGroup* const tasks_;
  wire::KeptCalls* const kept_;
  Guarded<Builds> builds_;
};

}  // namespace bk::control
