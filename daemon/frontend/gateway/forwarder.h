// One build whose frontend runs in the client or in a container: its LLBBridge calls, turned into calls of the build's
// Bridge (trap 1).
//
// Refs are known to the frontend by random ids that live as long as this. Requests and answers are the wire's own
// messages; gRPC itself stays in control/. All calls may block. Thread-safe.
#pragma once

#include <map>
#include <memory>
#include <string>

#include "base/guarded.h"
#include "daemon/frontend/bridge.h"
#include "daemon/frontend/gateway/exec_stream.h"
#include "frontend/gateway.pb.h"

namespace bk::frontend::gateway {

using Inputs = std::map<std::string, std::shared_ptr<const pb::Definition>>;

class Forwarder {
 public:
  // `bridge` must outlive the last call.
  Forwarder(Bridge& bridge, Inputs inputs) : bridge_(bridge), inputs_(std::move(inputs)) {}

  absl::StatusOr<api::PongResponse> Ping();
  absl::StatusOr<api::SolveResponse> Solve(const CancelToken& cancel, const api::SolveRequest& request);
  absl::StatusOr<api::ResolveImageConfigResponse> ResolveImageConfig(const CancelToken& cancel, const api::ResolveImageConfigRequest& request);
  absl::StatusOr<api::ResolveSourceMetaResponse> ResolveSourceMeta(const CancelToken& cancel, const api::ResolveSourceMetaRequest& request);
  absl::StatusOr<api::ReadFileResponse> ReadFile(const CancelToken& cancel, const api::ReadFileRequest& request);
  absl::StatusOr<api::ReadDirResponse> ReadDir(const CancelToken& cancel, const api::ReadDirRequest& request);
  absl::StatusOr<api::StatFileResponse> StatFile(const CancelToken& cancel, const api::StatFileRequest& request);
  absl::StatusOr<api::EvaluateResponse> Evaluate(const CancelToken& cancel, const api::EvaluateRequest& request);
  absl::StatusOr<api::InputsResponse> GetInputs();
  absl::StatusOr<api::WarnResponse> Warn(const api::WarnRequest& request);
  absl::StatusOr<api::ReturnResponse> Return(const api::ReturnRequest& request);

  // Containers, in forwarder_containers.cc.
  absl::StatusOr<api::NewContainerResponse> NewContainer(const CancelToken& cancel, const api::NewContainerRequest& request);
  absl::StatusOr<api::ReleaseContainerResponse> ReleaseContainer(const api::ReleaseContainerRequest& request);
  absl::StatusOr<api::ReadFileResponse> ReadFileContainer(const api::ReadFileRequest& request);
  absl::StatusOr<api::ReadDirResponse> ReadDirContainer(const CancelToken& cancel, const api::ReadDirRequest& request);
  absl::StatusOr<api::StatFileResponse> StatFileContainer(const api::StatFileRequest& request);
  absl::Status ExecProcess(const CancelToken& cancel, ExecStream& stream);

  // What was returned, without waiting for it; Unknown `no result for incomplete build` for nothing.
  absl::StatusOr<Result> Returned();
  bool is_done() const {
    return state_.With([](const State& s) { return s.done; });
  }
  // Blocks until the client returned a result or an error, or `cancel`.
  absl::StatusOr<Result> Wait(const CancelToken& cancel);

  // One call of the client while it runs: ended by the client or by the build.
  class Call {
   public:
    // NotFound when the build is over.
    static absl::StatusOr<std::unique_ptr<Call>> Enter(std::shared_ptr<Forwarder> forwarder, const CancelToken& client);
    ~Call();
    Forwarder& forwarder() { return *forwarder_; }
    CancelToken cancel() const { return cancel_.token(); }

   private:
    Call(std::shared_ptr<Forwarder> forwarder, const CancelToken& client);
    std::shared_ptr<Forwarder> forwarder_;
    CancelSource cancel_;
    CancelCallback on_close_;
  };
  // Cancels the calls under way and waits until they are gone; later ones are refused. Nobody uses the bridge afterwards.
  void Close();

 private:
  struct State {
    std::map<std::string, RefPtr> refs;
    std::map<std::string, std::shared_ptr<Container>> containers;
    bool done = false, closed = false;
    int calls = 0;  // under way
    absl::Status error;
    Result result;
  };
  absl::StatusOr<RefPtr> FindRef(const std::string& id);
  absl::StatusOr<std::shared_ptr<Container>> FindContainer(const std::string& id, int mount);
  // A null ref has the empty id.
  std::string KeepRef(const RefPtr& ref);
  void FillResult(const Result& result, bool as_refs, api::Result& out);
  absl::StatusOr<Result> ReadResult(const api::Result& result);
  absl::StatusOr<RefPtr> ReturnedRef(const std::string& id);
  absl::Status Finish(absl::StatusOr<Result> outcome);

  Bridge& bridge_;
  const Inputs inputs_;
  CancelSource closing_;
  Guarded<State> state_;
};

// The builds that wait for a client's frontend, by build id.
class Forwarders {
 public:
  void Register(const std::string& build_id, std::shared_ptr<Forwarder> forwarder);
  // Closes the forwarder too.
  void Unregister(const std::string& build_id);
  // Begins a call. Waits up to 3 s for the build to register: the call may come before Control.Solve (trap 1).
  // NotFound `no such job ID` with the reference's text.
  absl::StatusOr<std::unique_ptr<Forwarder::Call>> Begin(const CancelToken& cancel, const std::string& build_id);

 private:
  Guarded<std::map<std::string, std::shared_ptr<Forwarder>>> builds_;
};

}  // namespace bk::frontend::gateway
