#include "daemon/control/history.h"

#include <algorithm>
#include <vector>

#include "daemon/control/convert.h"
#include "daemon/control/history_filter.h"
#include "proto/llb/source_lock.h"
#include "proto/wire/status_codec.h"

namespace bk::control {
namespace {

constexpr size_t kRecords = 50;   // the reference's default [history] maxEntries
constexpr size_t kEvents = 1000;  // what a slow listener may lag behind

bool Wanted(const api::BuildHistoryRequest& request, const api::BuildHistoryRecord& record) {
  if (!request.ref().empty() && request.ref() != record.ref()) return false;
  return !request.activeonly() || !record.has_completedat();
}

api::Descriptor ToWire(const Descriptor& descriptor) {
  api::Descriptor out;
  out.set_media_type(descriptor.media_type);
  out.set_digest(descriptor.digest.str());
  out.set_size(descriptor.size);
  for (const auto& [key, value] : descriptor.annotations) (*out.mutable_annotations())[key] = value;
  return out;
}

}  // namespace

void History::Add(State& state, api::BuildHistoryEventType type, const api::BuildHistoryRecord& record) {
  api::BuildHistoryEvent event;
  event.set_type(type);
  *event.mutable_record() = record;
  state.events.emplace_back(state.next_event++, std::move(event));
  if (state.events.size() > kEvents) state.events.pop_front();
}

void History::Started(const api::SolveRequest& request) {
  api::BuildHistoryRecord record;
  record.set_ref(request.ref());
  record.set_frontend(request.frontend());
  *record.mutable_frontendattrs() = request.frontendattrs();
  for (const char* own : {llb::kLockRecordAttr, llb::kLockSourcesAttr, llb::kOfflineAttr}) record.mutable_frontendattrs()->erase(own);
  *record.mutable_exporters() = request.exporters();
  *record.mutable_createdat() = Timestamp(solver::NowNs());
  state_.Change([&](State& s) {
    s.records.push_back(record);
    if (s.records.size() > kRecords) s.records.pop_front();
    Add(s, api::STARTED, record);
  });
}

void History::Completed(const std::string& ref, const absl::Status& status, const llb::BuildResponse& response) {
  state_.Change([&](State& s) {
    for (api::BuildHistoryRecord& record : s.records) {
      if (record.ref() != ref || record.has_completedat()) continue;
      *record.mutable_completedat() = Timestamp(solver::NowNs());
      for (const auto& [key, value] : response.exporter_response) (*record.mutable_exporterresponse())[key] = value;
      for (const auto& [index, descriptor] : response.descriptors) (*record.mutable_result()->mutable_results())[index] = ToWire(descriptor);
      // Older clients know of one only.
      if (!response.descriptors.empty()) *record.mutable_result()->mutable_resultdeprecated() = ToWire(response.descriptors.begin()->second);
      if (!status.ok()) *record.mutable_error() = wire::ToProto(status);
      Add(s, api::COMPLETE, record);
    }
  });
}

absl::Status History::Delete(const std::string& ref) {
  bool found = state_.Change([&](State& s) {
    size_t before = s.records.size();
    for (auto it = s.records.begin(); it != s.records.end();) {
      if (it->ref() != ref) {
        ++it;
        continue;
      }
      Add(s, api::DELETED, *it);
      it = s.records.erase(it);
    }
    return s.records.size() != before;
  });
  return found ? absl::OkStatus() : Unknown("lease ", Quote("ref_" + ref), ": not found");
}

absl::Status History::SetPinned(const std::string& ref, bool pinned) {
  bool found = state_.With([&](State& s) {
    return std::any_of(s.records.begin(), s.records.end(), [&](const api::BuildHistoryRecord& record) { return record.ref() == ref; });
  });
  if (!found) return Unknown("failed to retrieve ref ", ref, ": file does not exist");
  return pinned ? Unimplemented("pinning of history records is not built yet") : absl::OkStatus();
}

absl::Status History::Listen(const CancelToken& cancel, const api::BuildHistoryRequest& request, const std::function<absl::Status(const api::BuildHistoryEvent&)>& send) {
  uint64_t next = 0;
  std::vector<api::BuildHistoryEvent> batch, ended;
  state_.With([&](State& s) {
    for (const api::BuildHistoryRecord& record : s.records) {
      if (!Wanted(request, record)) continue;
      api::BuildHistoryEvent event;
      event.set_type(record.has_completedat() ? api::COMPLETE : api::STARTED);
      *event.mutable_record() = record;
      (record.has_completedat() ? ended : batch).push_back(std::move(event));
    }
    next = s.next_event;
  });
  // Running builds are always told: filters and limit are for those that ended.
  BK_ASSIGN(ended, FilterHistory(std::move(ended), {request.filter().begin(), request.filter().end()}, request.limit(), solver::NowNs()));
  std::move(ended.begin(), ended.end(), std::back_inserter(batch));
  for (const auto& event : batch) BK_RETURN_IF_ERROR(send(event));
  if (request.earlyexit()) return absl::OkStatus();
  CancelCallback wake(cancel, [this] { state_.Change([](State&) {}); });
  while (true) {
    batch = state_.WaitThen([&](State& s) { return s.next_event > next || cancel.cancelled(); },
                            [&](State& s) {
                              std::vector<api::BuildHistoryEvent> out;
                              for (const auto& [number, event] : s.events) {
                                if (number >= next && Wanted(request, event.record())) out.push_back(event);
                              }
                              next = s.next_event;
                              return out;
                            });
    BK_RETURN_IF_ERROR(cancel.Check());
    for (const auto& event : batch) BK_RETURN_IF_ERROR(send(event));
  }
}

}  // namespace bk::control
