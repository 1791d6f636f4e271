#include "daemon/control/control_service.h"

#include <ctime>

#include "base/filter.h"
#include "base/log.h"
#include "base/time_text.h"
#include "base/version.h"
#include "daemon/control/build_recorder.h"
#include "daemon/control/convert.h"
#include "daemon/control/status_queue.h"
#include "daemon/llb/error_details.h"
#include "proto/llb/source_lock.h"

namespace bk::control {
namespace {

void FillVersion(moby::buildkit::v1::types::BuildkitVersion& out) {
  out.set_package(kPackage);
  out.set_version(kVersion);
  out.set_revision(kRevision);
  out.set_dockerfileversion(kDockerfileVersion);
}

std::string Rfc3339Now() {
  timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  return Rfc3339(now.tv_sec, static_cast<int32_t>(now.tv_nsec), Decimals::kNine);
}

}  // namespace

bool ControlService::WaitForBuilds(std::chrono::milliseconds timeout) {
  return builds_.WaitFor(timeout, [](const Builds& b) { return b.running == 0; });
}

bool ControlService::BeginBuild() {
  return builds_.With([](Builds& b) {
    if (!b.draining) b.running++;
    return !b.draining;
  });
}

grpc::ServerUnaryReactor* ControlService::Info(grpc::CallbackServerContext* context, const api::InfoRequest*, api::InfoResponse* response) {
  FillVersion(*response->mutable_buildkitversion());
  return wire::Answer(context, absl::OkStatus());
}

grpc::ServerUnaryReactor* ControlService::ListWorkers(grpc::CallbackServerContext* context, const api::ListWorkersRequest* request, api::ListWorkersResponse* response) {
  std::vector<std::string> filter(request->filter().begin(), request->filter().end());
  context->AddTrailingMetadata(wire::kLifeTrailer, kept_->life());
  // Devices are looked for on disk.
  return wire::RunUnary<api::ListWorkersResponse>(*tasks_, context, response, [this, filter](const CancelToken&, api::ListWorkersResponse& out) { return FillWorkers(filter, out); });
}

absl::Status ControlService::FillWorkers(const std::vector<std::string>& wanted, api::ListWorkersResponse& out) const {
  auto filter = Filter::Parse(wanted);
  if (!filter.ok()) return llb::ForClients(filter.status());
  for (const frontend::WorkerInfo& worker : parts_.engine->parts().workers) {
    if (!filter->Matches(WorkerFields(worker.id, worker.labels))) continue;
    auto* record = out.add_record();
    record->set_id(worker.id);
    for (const auto& [key, value] : worker.labels) (*record->mutable_labels())[key] = value;
    for (const Platform& platform : worker.platforms) *record->add_platforms() = ToWire(platform);
    for (const cache::PruneOptions& rule : parts_.gc_policy) {
      auto* policy = record->add_gcpolicy();
      policy->set_all(rule.all);
      policy->set_keepduration(rule.keep_duration_ns);
      policy->set_reservedspace(rule.reserved_bytes);
      policy->set_maxusedspace(rule.max_used_bytes);
      policy->set_minfreespace(rule.min_free_bytes);
      for (const std::string& one : rule.filter) policy->add_filters(one);
    }
    FillVersion(*record->mutable_buildkitversion());
    if (parts_.engine->parts().devices == nullptr) continue;
    for (const cdi::Device& device : parts_.engine->parts().devices->List()) {
      auto* one = record->add_cdidevices();
      one->set_name(device.name);
      one->set_autoallow(device.auto_allowed);
      for (const auto& [key, value] : device.annotations) (*one->mutable_annotations())[key] = value;
    }
  }
  return absl::OkStatus();
}

grpc::ServerUnaryReactor* ControlService::DiskUsage(grpc::CallbackServerContext* context, const api::DiskUsageRequest* request, api::DiskUsageResponse* response) {
  std::vector<std::string> filter(request->filter().begin(), request->filter().end());
  int64_t age_limit_ns = request->agelimit();
  return wire::RunUnary<api::DiskUsageResponse>(*tasks_, context, response, [this, filter, age_limit_ns](const CancelToken& cancel, api::DiskUsageResponse& out) -> absl::Status {
    auto records = parts_.engine->parts().cache->DiskUsage(cancel, filter);
    if (!records.ok()) return llb::ForClients(records.status());
    int64_t oldest = age_limit_ns > 0 ? solver::NowNs() - age_limit_ns : 0;
    for (const cache::UsageRecord& record : *records) {
      if (record.last_used_ns >= oldest || oldest == 0) *out.add_record() = ToWire(record);
    }
    return absl::OkStatus();
  });
}

grpc::ServerWriteReactor<api::UsageRecord>* ControlService::Prune(grpc::CallbackServerContext*, const api::PruneRequest* request) {
  cache::PruneOptions options;
  options.filter = {request->filter().begin(), request->filter().end()};
  options.all = request->all();
  options.keep_duration_ns = request->keepduration();
  options.reserved_bytes = request->reservedspace();
  options.max_used_bytes = request->maxusedspace();
  options.min_free_bytes = request->minfreespace();
  return wire::RunServerStream<api::UsageRecord>(*tasks_, [this, options](const CancelToken& cancel, wire::Writer<api::UsageRecord>& writer) {
    absl::Status status = parts_.engine->parts().cache->Prune(cancel, {options}, [&](const cache::UsageRecord& record) { writer.Write(ToWire(record)).IgnoreError(); });
    return llb::ForClients(status);
  });
}

grpc::ServerUnaryReactor* ControlService::Solve(grpc::CallbackServerContext* context, const api::SolveRequest* request, api::SolveResponse* response) {
  // Not for one that comes back to its build: that runs already.
  return wire::RunKept<api::SolveResponse>(kept_, "Control.Solve", request->ref(), *tasks_, context, response, [this, request = *request](const CancelToken& cancel, api::SolveResponse& out) -> absl::Status {
    if (!BeginBuild()) return Unavailable("the daemon is shutting down and takes no new builds");
    absl::Status status = RunBuild(cancel, request, out);
    builds_.Change([](Builds& b) { b.running--; });
    return status;
  });
}

absl::Status ControlService::RunBuild(const CancelToken& client, const api::SolveRequest& request, api::SolveResponse& response) {
  CancelSource cancel(client);
  CancelCallback on_end(client, [&] { log::Info("build is cancelled: its client is gone, or wants it so", {{"build", request.ref()}, {"reason", Message(client.Check())}}); });
  CancelCallback on_shutdown(shutdown_, [&] { cancel.Cancel(Unavailable("the daemon is shutting down")); });
  // A client that goes away ends its build, at once or when it does not come back (KeptCalls); so does the daemon.
  BK_TRY(llb::BuildRequest build, FromWire(request));
  BuildRecorder recorder(history_, build);
  if (!build.internal) build.listener = &recorder;
  auto outcome = parts_.engine->Solve(cancel.token(), build);
  auto said = [&](solver::ProgressSink& sink) { return parts_.engine->Status(CancelToken::Never(), build.ref, sink); };
  recorder.Finish(outcome.status(), outcome.ok() ? outcome->descriptors : std::map<int64_t, Descriptor>(), said);
  if (parts_.after_build) parts_.after_build();
  BK_RETURN_IF_ERROR(outcome.status());
  for (const auto& [key, value] : outcome->exporter_response) (*response.mutable_exporterresponse())[key] = value;
  if (!outcome->lock_text.empty()) (*response.mutable_exporterresponse())[llb::kLockResponse] = outcome->lock_text;
  return absl::OkStatus();
}

grpc::ServerWriteReactor<api::StatusResponse>* ControlService::Status(grpc::CallbackServerContext* context, const api::StatusRequest* request) {
  context->AddInitialMetadata("buildkit-current-timestamp", Rfc3339Now());
  return wire::RunServerStream<api::StatusResponse>(*tasks_, [this, ref = request->ref()](const CancelToken& cancel, wire::Writer<api::StatusResponse>& writer) {
    writer.SendHeaders();
    // A build that ended says again what it said.
    absl::Status status = history_->Replay(ref, [&](const api::StatusResponse& response) { return writer.Write(response); });
    if (status.code() != absl::StatusCode::kNotFound) return status;
    StatusQueue queue;
    TaskGroup source;
    source.Run([&] {
      status = parts_.engine->Status(cancel, ref, queue);
      queue.Close();
    });
    while (auto batch = queue.Take()) {
      if (!writer.Write(*batch).ok()) break;
    }
    source.Wait();
    return status;
  });
}

grpc::ServerBidiReactor<api::BytesMessage, api::BytesMessage>* ControlService::Session(grpc::CallbackServerContext* context) {
  return wire::RunBidi<api::BytesMessage, api::BytesMessage>(
      *tasks_, [this, headers = wire::HeadersOf(*context)](const CancelToken& cancel, session::ConnectedSessions::Stream& stream) {
        return parts_.sessions->Serve(cancel, stream, headers);
      });
}

grpc::ServerWriteReactor<api::BuildHistoryEvent>* ControlService::ListenBuildHistory(grpc::CallbackServerContext* context, const api::BuildHistoryRequest* request) {
  context->AddInitialMetadata("buildkit-current-timestamp", Rfc3339Now());
  return wire::RunServerStream<api::BuildHistoryEvent>(*tasks_, [this, request = *request](const CancelToken& cancel, wire::Writer<api::BuildHistoryEvent>& writer) {
    writer.SendHeaders();
    return history_->Listen(cancel, request, [&](const api::BuildHistoryEvent& event) { return writer.Write(event); });
  });
}

grpc::ServerUnaryReactor* ControlService::UpdateBuildHistory(grpc::CallbackServerContext* context, const api::UpdateBuildHistoryRequest* request, api::UpdateBuildHistoryResponse* response) {
  return wire::RunUnary<api::UpdateBuildHistoryResponse>(*tasks_, context, response, [this, request = *request](const CancelToken&, api::UpdateBuildHistoryResponse&) {
    if (request.delete_()) {
      if (auto* journal = parts_.engine->parts().journal; journal != nullptr) journal->Forget(request.ref());
      return history_->Delete(request.ref());
    }
    if (request.finalize()) return absl::OkStatus();  // records are final when they are told
    return history_->SetPinned(request.ref(), request.pinned());
  });
}

}  // namespace bk::control
