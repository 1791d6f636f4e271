#include "daemon/control/history.h"

#include <chrono>
#include <iterator>
#include <vector>

#include "base/log.h"
#include "daemon/control/history_filter.h"
#include "daemon/history/status_log.h"
#include "daemon/solver/progress.h"

namespace bk::control {
namespace {

constexpr size_t kEvents = 1000;   // what a slow listener may lag behind
constexpr size_t kDeleted = 1000;  // deleted refs that are remembered
constexpr std::chrono::seconds kExpiry(120);

}  // namespace

// One listener, from its question to its end.
class History::Listening {
 public:
  Listening(History* owner, std::string ref) : owner_(owner), ref_(std::move(ref)) {}
  // The number of the first event that is not told yet.
  absl::StatusOr<uint64_t> Begin() {
    return owner_->state_.With([&](State& s) -> absl::StatusOr<uint64_t> {
      if (s.deleted.contains(ref_)) return Unknown("ref ", ref_, " is deleted: file does not exist");
      s.listeners++;
      if (!ref_.empty()) s.listened[ref_]++;
      begun_ = true;
      return s.next_event;
    });
  }
  ~Listening() {
    if (!begun_) return;
    bool has_record = owner_->records_ != nullptr && owner_->records_->Has(ref_);
    bool remove = owner_->state_.With([&](State& s) {
      if (--s.listeners == 0) s.events.clear();
      if (ref_.empty() || --s.listened[ref_] > 0) return false;
      s.listened.erase(ref_);
      if (has_record) s.asked.insert(ref_);
      return s.deleted.contains(ref_);
    });
    if (remove) owner_->Remove(ref_).IgnoreError();
  }

 private:
  History* const owner_;
  const std::string ref_;
  bool begun_ = false;
};

History::History(history::Records* records) : records_(records) {
  if (records_ == nullptr) return;
  expiry_ = std::thread([this] {
    do {
      Expire(solver::NowNs());
    } while (!stop_.WaitFor(kExpiry, [](bool stop) { return stop; }));
  });
}

History::~History() {
  stop_.Change([](bool& stop) { stop = true; });
  if (expiry_.joinable()) expiry_.join();
}

void History::Tell(State& state, api::BuildHistoryEventType type, const api::BuildHistoryRecord& record) {
  state.next_event++;
  if (state.listeners == 0) return;
  auto event = std::make_shared<api::BuildHistoryEvent>();
  event->set_type(type);
  *event->mutable_record() = record;
  state.events.emplace_back(state.next_event - 1, std::move(event));
  if (state.events.size() > kEvents) state.events.pop_front();
}

void History::Started(const api::BuildHistoryRecord& record) {
  state_.Change([&](State& s) {
    s.active[record.ref()] = record;
    Tell(s, api::STARTED, record);
  });
}

void History::Completed(const api::BuildHistoryRecord& record) {
  absl::Status kept = records_ == nullptr ? absl::OkStatus() : records_->Put(record);
  if (!kept.ok()) log::Warning("the record of a build is not kept", {{"ref", record.ref()}, {"error", Message(kept)}});
  state_.Change([&](State& s) {
    s.active.erase(record.ref());
    s.deleted.erase(record.ref());
    Tell(s, api::COMPLETE, record);
  });
}

absl::Status History::Remove(const std::string& ref) {
  absl::StatusOr<bool> removed = records_ == nullptr ? absl::StatusOr<bool>(false) : records_->Remove(ref);
  BK_RETURN_IF_ERROR(removed);
  if (!*removed) return Unknown("lease ", Quote("ref_" + ref), ": not found");
  api::BuildHistoryRecord record;
  record.set_ref(ref);
  state_.Change([&](State& s) {
    if (s.asked.erase(ref) > 0) s.deleted.insert(ref);
    if (s.deleted.size() > kDeleted) s.deleted.erase(s.deleted.begin());
    Tell(s, api::DELETED, record);
  });
  return absl::OkStatus();
}

absl::Status History::Delete(const std::string& ref) {
  bool known = records_ != nullptr && records_->Has(ref);
  bool later = known && state_.With([&](State& s) {
    bool listened = s.listened.contains(ref);
    if (listened) s.deleted.insert(ref);
    return listened;
  });
  return later ? absl::OkStatus() : Remove(ref);
}

absl::Status History::SetPinned(const std::string& ref, bool pinned) {
  if (records_ == nullptr) return Unknown("failed to retrieve ref ", ref, ": file does not exist");
  BK_TRY(api::BuildHistoryRecord record, records_->Update(ref, [&](api::BuildHistoryRecord& r) {
    r.set_pinned(pinned);
    r.set_generation(r.generation() + 1);
  }));
  state_.Change([&](State& s) { Tell(s, api::COMPLETE, record); });
  return absl::OkStatus();
}

absl::Status History::Replay(const std::string& ref, const std::function<absl::Status(const api::StatusResponse&)>& say) const {
  if (records_ == nullptr || !records_->Has(ref)) return NotFound("no record of build ", Quote(ref));
  BK_TRY(api::BuildHistoryRecord record, records_->Find(ref));
  return record.has_logs() ? history::ReadStatusLog(records_->content(), record.logs(), say) : absl::OkStatus();
}

void History::Expire(int64_t now_ns) {
  for (const std::string& ref : records_->Expired(now_ns)) {
    absl::Status status = Delete(ref);
    if (!status.ok()) log::Warning("an old record of a build stays", {{"ref", ref}, {"error", Message(status)}});
  }
}

void History::StartDraining() {
  state_.Change([](State& s) { s.draining = true; });
}

// Of builds that ended: by ref; with a limit the newest ones, newest first.
absl::StatusOr<std::vector<api::BuildHistoryEvent>> History::Ended(const api::BuildHistoryRequest& request) {
  std::vector<api::BuildHistoryRecord> records;
  if (records_ != nullptr && request.ref().empty()) {
    BK_ASSIGN(records, records_->All());
  } else if (records_ != nullptr && records_->Has(request.ref())) {
    auto record = records_->Find(request.ref());
    if (record.ok()) records.push_back(*std::move(record));
  }
  std::set<std::string> deleted = state_.With([](const State& s) { return s.deleted; });
  std::vector<api::BuildHistoryEvent> events;
  for (api::BuildHistoryRecord& record : records) {
    if (deleted.contains(record.ref())) continue;
    api::BuildHistoryEvent& event = events.emplace_back();
    event.set_type(api::COMPLETE);
    *event.mutable_record() = std::move(record);
  }
  return FilterHistory(std::move(events), {request.filter().begin(), request.filter().end()}, request.limit(), solver::NowNs());
}

absl::Status History::Listen(const CancelToken& cancel, const api::BuildHistoryRequest& request, const std::function<absl::Status(const api::BuildHistoryEvent&)>& send) {
  Listening listening(this, request.ref());
  BK_TRY(uint64_t next, listening.Begin());
  auto wanted = [&](const std::string& ref) { return request.ref().empty() || request.ref() == ref; };
  // Running builds are always told: filters and limit are for those that ended.
  std::vector<api::BuildHistoryEvent> known;
  state_.With([&](const State& s) {
    for (const auto& [ref, record] : s.active) {
      if (!wanted(ref) || s.deleted.contains(ref)) continue;
      api::BuildHistoryEvent& event = known.emplace_back();
      event.set_type(api::STARTED);
      *event.mutable_record() = record;
    }
  });
  if (!request.activeonly()) {
    BK_TRY(auto ended, Ended(request));
    std::move(ended.begin(), ended.end(), std::back_inserter(known));
  }
  for (const auto& event : known) BK_RETURN_IF_ERROR(send(event));
  if (request.earlyexit()) return absl::OkStatus();
  CancelCallback wake(cancel, [this] { state_.Change([](State&) {}); });
  while (true) {
    bool last = false;
    std::vector<EventPtr> batch = state_.WaitThen(
        [&](State& s) { return s.next_event > next || cancel.cancelled() || (s.draining && s.active.empty()); },
        [&](State& s) {
          std::vector<EventPtr> out;
          for (const auto& [number, event] : s.events) {
            if (number >= next && wanted(event->record().ref())) out.push_back(event);
          }
          next = s.next_event;
          last = s.draining && s.active.empty();
          return out;
        });
    BK_RETURN_IF_ERROR(cancel.Check());
    for (const EventPtr& event : batch) BK_RETURN_IF_ERROR(send(*event));
    if (last) return absl::OkStatus();
  }
}

}  // namespace bk::control
