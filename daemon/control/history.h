// The builds of this daemon's life, newest last: what clients ask about right after a build.
//
// Kept in memory and bounded; records on disk with logs and attestations are a later feature. Thread-safe.
#pragma once

#include <functional>
#include <list>
#include <map>

#include "base/cancel.h"
#include "base/guarded.h"
#include "control/control.pb.h"
#include "daemon/llb/engine.h"

namespace bk::control {

namespace api = moby::buildkit::v1;

class History {
 public:
  void Started(const api::SolveRequest& request);
  void Completed(const std::string& ref, const absl::Status& status, const llb::BuildResponse& response);
  // Sends what is known, then (unless EarlyExit) what happens until `cancel`.
  absl::Status Listen(const CancelToken& cancel, const api::BuildHistoryRequest& request, const std::function<absl::Status(const api::BuildHistoryEvent&)>& send);
  // Unknown with the reference's texts for a ref that it does not know.
  absl::Status Delete(const std::string& ref);
  // Pinning is not built yet: records end with the daemon.
  absl::Status SetPinned(const std::string& ref, bool pinned);

 private:
  struct State {
    std::list<api::BuildHistoryRecord> records;
    uint64_t next_event = 0;
    std::list<std::pair<uint64_t, api::BuildHistoryEvent>> events;  // the newest, for listeners
  };
  static void Add(State& state, api::BuildHistoryEventType type, const api::BuildHistoryRecord& record);
  Guarded<State> state_;
};

}  // namespace bk::control
