#include "daemon/control/build_recorder.h"

#include "base/log.h"
#include "daemon/control/convert.h"
#include "daemon/control/status_queue.h"
#include "daemon/history/request_record.h"
#include "daemon/history/status_log.h"
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

// What a client or a frontend may have made too long goes first.
void Shorten(api::BuildHistoryRecord& record) {
  if (record.ByteSizeLong() > kRecordBytes) record.clear_exporterresponse();
  if (record.ByteSizeLong() > kRecordBytes) record.clear_frontendattrs();
  if (record.ByteSizeLong() > kRecordBytes) record.clear_exporters();
  if (record.ByteSizeLong() > kRecordBytes) record.mutable_error()->set_message("the message is too long to be kept");
}

}  // namespace

BuildRecorder::BuildRecorder(History* history, const llb::BuildRequest& request) : history_(history) {
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

void BuildRecorder::HasResult(const std::map<std::string, std::string>& metadata) { Copy(metadata, *record_.mutable_exporterresponse()); }

absl::Status BuildRecorder::WriteLog(const StatusSource& source) {
  StatusQueue queue;
  BK_RETURN_IF_ERROR(source(queue));
  queue.Close();
  BK_TRY(auto writer, history::StatusLogWriter::Begin(history_->records()->content()));
  while (auto batch = queue.Take()) BK_RETURN_IF_ERROR(writer.Add(*batch));
  record_.set_numtotalsteps(writer.total_steps());
  record_.set_numcachedsteps(writer.cached_steps());
  record_.set_numcompletedsteps(writer.completed_steps());
  record_.set_numwarnings(writer.warnings());
  BK_ASSIGN(*record_.mutable_logs(), writer.Finish());
  return absl::OkStatus();
}

absl::Status BuildRecorder::WriteError(const absl::Status& status) {
  google::rpc::Status error = wire::ToProto(status);
  std::string bytes = error.SerializeAsString();
  Digest digest = DigestOf(bytes);
  error.clear_details();  // they are in the blob
  *record_.mutable_error() = std::move(error);
  BK_RETURN_IF_ERROR(history_->records()->content().Put(bytes, digest));
  auto* blob = record_.mutable_externalerror();
  blob->set_media_type(kErrorType);
  blob->set_digest(digest.str());
  blob->set_size(static_cast<int64_t>(bytes.size()));
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
  complain(WriteLog(source), "log");
  if (!status.ok()) complain(WriteError(status), "error");
  Shorten(record_);
  history_->Completed(record_);
}

}  // namespace bk::control
