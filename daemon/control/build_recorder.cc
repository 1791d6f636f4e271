#include "daemon/control/build_recorder.h"

#include <unistd.h>

#include <map>
#include <tuple>
#include <utility>
#include <vector>

#include "base/id.h"
#include "base/log.h"
#include "base/version.h"
#include "daemon/control/convert.h"
#include "daemon/control/status_queue.h"
#include "daemon/history/request_record.h"
#include "daemon/history/status_log.h"
#include "daemon/history/trace_log.h"
#include "errors/stack.pb.h"
#include "proto/llb/go_json_of.h"
#include "proto/wire/status_codec.h"

namespace bk::control {
namespace {

constexpr char kErrorType[] = "application/vnd.googeapis.google.rpc.status+proto";  // misspelt by contract (trap 11)
// A record travels in one message, and those end at 16 MiB.
constexpr size_t kRecordBytes = 8 << 20;

void Copy(const std::map<std::string, std::string>& from, google::protobuf::Map<std::string, std::string>& into) {
  for (const auto& [key, value] : from) into[key] = value;
}

api::Descriptor ToWire(const Descriptor& descriptor) {
  api::Descriptor out;
  out.set_media_type(descriptor.media_type);
  out.set_digest(descriptor.digest.str());
  out.set_size(descriptor.size);
  Copy(descriptor.annotations, *out.mutable_annotations());
  return out;
}

// The error with the program it comes from, where the reference has its stack: a record may be read long after, elsewhere.
absl::Status WithProgram(absl::Status status) {
  if (status.code() == absl::StatusCode::kCancelled) return status;
  stack::Stack program;
  program.add_cmdline("buildkitd");
  program.set_pid(getpid());
  program.set_version(kVersion);
  program.set_revision(kRevision);
  AddDetail(status, {"stack.Stack", llb::GoJsonOf(program)});
  return status;
}

// Of each run of a vertex the last word in a batch.
void KeepLastVertices(api::StatusResponse& batch) {
  auto run = [](const api::Vertex& vertex) { return std::tuple(vertex.digest(), vertex.started().seconds(), vertex.started().nanos()); };
  std::map<std::tuple<std::string, int64_t, int32_t>, int> last;
  for (int i = 0; i < batch.vertexes_size(); i++) last[run(batch.vertexes(i))] = i;
  google::protobuf::RepeatedPtrField<api::Vertex> kept;
  for (int i = 0; i < batch.vertexes_size(); i++) {
    if (last[run(batch.vertexes(i))] == i) kept.Add()->Swap(batch.mutable_vertexes(i));
  }
  batch.mutable_vertexes()->Swap(&kept);
}

// Of each transfer only how it ended, where its beginning was told: its vertex is known there.
void KeepLastStatuses(std::vector<api::StatusResponse>& batches) {
  std::map<std::pair<std::string, std::string>, api::VertexStatus*> known;  // by vertex and id
  for (api::StatusResponse& batch : batches) {
    google::protobuf::RepeatedPtrField<api::VertexStatus> kept;
    for (api::VertexStatus& status : *batch.mutable_statuses()) {
      auto [place, fresh] = known.try_emplace({status.vertex(), status.id()}, nullptr);
      if (fresh) place->second = kept.Add();
      place->second->Swap(&status);
    }
    batch.mutable_statuses()->Swap(&kept);
  }
}

// What a client or a frontend may have made too long goes first.
void Shorten(api::BuildHistoryRecord& record) {
  if (record.ByteSizeLong() > kRecordBytes) record.clear_exporterresponse();
  if (record.ByteSizeLong() > kRecordBytes) record.clear_frontendattrs();
  if (record.ByteSizeLong() > kRecordBytes) record.clear_exporters();
  if (record.ByteSizeLong() > kRecordBytes) record.mutable_error()->set_message("the message is too long to be kept");
}

}  // namespace

BuildRecorder::BuildRecorder(History* history, const llb::BuildRequest& request) : history_(history), options_(history::RequestOptions(history::WithoutSecrets(request.frontend_attrs))) {
  record_.set_ref(request.ref);
  record_.set_frontend(request.frontend);
  Copy(history::WithoutSecrets(request.frontend_attrs), *record_.mutable_frontendattrs());
  for (const llb::ExportRequest& exporter : request.exporters) {
    auto* one = record_.add_exporters();
    one->set_type(exporter.type);
    Copy(history::WithoutSecrets(exporter.attrs), *one->mutable_attrs());
  }
}

void BuildRecorder::Started() {
  started_ = true;
  *record_.mutable_createdat() = Timestamp(solver::NowNs());
  Shorten(record_);
  history_->Started(record_);
}

void BuildRecorder::HasResult(const std::map<std::string, std::string>& metadata) {
  Copy(metadata, *record_.mutable_exporterresponse());
  (*record_.mutable_exporterresponse())[history::kRequestOptionsKey] = options_;
}

absl::Status BuildRecorder::Collect(const StatusSource& source) {
  StatusQueue queue;
  BK_RETURN_IF_ERROR(source(queue));
  queue.Close();
  while (auto batch = queue.Take()) said_.push_back(*std::move(batch));
  KeepLastStatuses(said_);
  for (api::StatusResponse& batch : said_) KeepLastVertices(batch);
  return absl::OkStatus();
}

absl::Status BuildRecorder::WriteLog() {
  BK_TRY(auto writer, history::StatusLogWriter::Begin(history_->records()->content()));
  for (const api::StatusResponse& batch : said_) BK_RETURN_IF_ERROR(writer.Add(batch));
  record_.set_numtotalsteps(writer.total_steps());
  record_.set_numcachedsteps(writer.cached_steps());
  record_.set_numcompletedsteps(writer.completed_steps());
  record_.set_numwarnings(writer.warnings());
  BK_ASSIGN(*record_.mutable_logs(), writer.Finish());
  return absl::OkStatus();
}

absl::Status BuildRecorder::WriteTrace() {
  BK_TRY(content::Ingest ingest, history_->records()->content().NewIngest());
  BK_RETURN_IF_ERROR(history::WriteTrace(record_, said_, HexEncode(RandomBytes(16)), [&](std::string_view text) { return ingest.Write(text); }));
  BK_ASSIGN(*record_.mutable_trace(), history::CommitBlob(ingest, history::kTraceLogType));
  return absl::OkStatus();
}

absl::Status BuildRecorder::WriteError(const absl::Status& status) {
  google::rpc::Status error = wire::ToProto(WithProgram(status));
  std::string bytes = error.SerializeAsString();
  error.clear_details();  // they are in the blob
  *record_.mutable_error() = std::move(error);
  BK_TRY(content::Ingest ingest, history_->records()->content().NewIngest());
  BK_RETURN_IF_ERROR(ingest.Write(bytes));
  BK_ASSIGN(*record_.mutable_externalerror(), history::CommitBlob(ingest, kErrorType));
  return absl::OkStatus();
}

void BuildRecorder::NameResults(const std::map<int64_t, Descriptor>& descriptors) {
  for (const auto& [index, descriptor] : descriptors) (*record_.mutable_result()->mutable_results())[index] = ToWire(descriptor);
  // Older clients know of one only.
  if (!descriptors.empty()) *record_.mutable_result()->mutable_resultdeprecated() = ToWire(descriptors.begin()->second);
}

void BuildRecorder::Finish(const absl::Status& status, const std::map<int64_t, Descriptor>& descriptors, const StatusSource& source) {
  if (!started_) return;
  *record_.mutable_completedat() = Timestamp(solver::NowNs());
  NameResults(descriptors);
  if (history_->records() == nullptr) {
    if (!status.ok()) *record_.mutable_error() = wire::ToProto(status);
    return history_->Completed(record_);
  }
  auto use = history_->records()->content().Use();  // until the record keeps the blobs
  auto complain = [&](const absl::Status& s, const char* what) {
    if (!s.ok()) log::Warning(StrCat("the ", what, " of a build is not kept"), {{"ref", record_.ref()}, {"error", Message(s)}});
  };
  if (!status.ok()) complain(WriteError(status), "error");
  absl::Status collected = Collect(source);
  complain(collected.ok() ? WriteLog() : collected, "log");
  if (collected.ok()) complain(WriteTrace(), "trace");
  Shorten(record_);
  history_->Completed(record_);
}

}  // namespace bk::control
