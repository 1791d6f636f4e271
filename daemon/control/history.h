// The builds that clients ask about: those that run, in memory, and those that ended, in the records of the store.
//
// Listeners are told what is and then what happens. Old records go by the configured limits: looked at once a start and then
// every two minutes by a thread of its own. Thread-safe.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <thread>

#include "base/cancel.h"
#include "base/guarded.h"
#include "control/control.pb.h"
#include "daemon/history/records.h"

namespace bk::control {

namespace api = moby::buildkit::v1;

class History {
 public:
  // `records` null: nothing stays of a build that ended.
  explicit History(history::Records* records);
  ~History();

  // A build runs from now on.
  void Started(const api::BuildHistoryRecord& record);
  // It ended. The record is kept (what goes wrong there is logged) before anybody is told.
  void Completed(const api::BuildHistoryRecord& record);
  // Sends what is known, then (unless EarlyExit) what happens until `cancel`, or until a draining daemon runs no build any more.
  // Unknown `ref … is deleted: file does not exist`.
  absl::Status Listen(const CancelToken& cancel, const api::BuildHistoryRequest& request, const std::function<absl::Status(const api::BuildHistoryEvent&)>& send);
  // Once nobody listens to that ref. Unknown with the reference's text for one that has no record.
  absl::Status Delete(const std::string& ref);
  absl::Status SetPinned(const std::string& ref, bool pinned);
  // Says the log of a build that ended; NotFound if there is no record.
  absl::Status Replay(const std::string& ref, const std::function<absl::Status(const api::StatusResponse&)>& say) const;
  // Lets go what the limits let go at that time.
  void Expire(int64_t now_ns);
  // Listeners leave when no build runs any more.
  void StartDraining();

  history::Records* records() const { return records_; }

 private:
  using EventPtr = std::shared_ptr<const api::BuildHistoryEvent>;
  struct State {
    std::map<std::string, api::BuildHistoryRecord> active;
    uint64_t next_event = 0;
    std::deque<std::pair<uint64_t, EventPtr>> events;  // for listeners; the newest
    int listeners = 0;
    std::map<std::string, int> listened;        // refs that are listened to now
    std::set<std::string> asked, deleted;       // refs with a record that were; of these, the ones that are deleted
    bool draining = false;
  };
  static void Tell(State& state, api::BuildHistoryEventType type, const api::BuildHistoryRecord& record);
  // Counts a listener in and out.
  class Listening;
  absl::Status Remove(const std::string& ref);
  absl::StatusOr<std::vector<api::BuildHistoryEvent>> Ended(const api::BuildHistoryRequest& request);

  history::Records* const records_;
  Guarded<State> state_;
  Guarded<bool> stop_{false};
  std::thread expiry_;
};

}  // namespace bk::control
