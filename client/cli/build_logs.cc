// The verbs that read what a build left: debug logs, debug get.
#include <cstdio>

#include "base/digest.h"
#include "client/cli/connect.h"
#include "client/cli/history_stream.h"
#include "client/cli/stream_error.h"
#include "client/cli/verbs.h"
#include "client/progress/display.h"
#include "client/progress/terminal.h"
#include "content/content.grpc.pb.h"
#include "control/control.grpc.pb.h"

namespace bk::client {
namespace {

namespace api = moby::buildkit::v1;
namespace cs = containerd::services::content::v1;

// Everything of the blob to stdout.
absl::Status PrintBlob(const CancelToken& cancel, const Connection& connection, const Digest& digest) {
  auto content = cs::Content::NewStub(connection.channel());
  CallContext info_context(cancel), context(cancel);
  cs::InfoRequest question;
  question.set_digest(digest.str());
  cs::InfoResponse info;
  absl::Status found = connection.FromCall(content->Info(info_context.get(), question, &info));
  if (!found.ok()) return Unknown(ErrorText(found));
  cs::ReadContentRequest request;
  request.set_digest(digest.str());
  auto reader = content->Read(context.get(), request);
  cs::ReadContentResponse response;
  while (reader->Read(&response)) {
    if (std::fwrite(response.data().data(), 1, response.data().size(), stdout) == response.data().size()) continue;
    context->TryCancel();
    return Unavailable("cannot write to stdout");
  }
  return StreamEnd(cancel, connection, reader->Finish());
}

absl::Status PrintTrace(const CancelToken& cancel, const Connection& connection, const std::string& ref) {
  api::BuildHistoryRequest request;
  request.set_ref(ref);
  request.set_earlyexit(true);
  std::optional<api::BuildHistoryEvent> found;
  auto take = [&](const api::BuildHistoryEvent& event) { return found = event, false; };
  BK_RETURN_IF_ERROR(ListenHistory(cancel, connection, request, take));
  if (!found) return NotFound("ref ", ref, " not found");
  if (!found->record().has_trace()) return NotFound("ref ", ref, " does not have trace");
  BK_TRY(Digest digest, Digest::Parse(found->record().trace().digest()));
  return PrintBlob(cancel, connection, digest);
}

absl::Status RunLogs(const CancelToken& cancel, const flags::Values& values) {
  if (values.args().empty()) return InvalidArgument("build ref must be specified");
  BK_TRY(auto connection, Connect(cancel, values));
  if (values.Bool("trace")) return PrintTrace(cancel, *connection, values.args()[0]);
  BK_TRY(auto display, MakeDisplay(values.String("progress"), stdout, fileno(stdout)));
  CallContext context(cancel);
  api::StatusRequest request;
  request.set_ref(values.args()[0]);
  auto reader = api::Control::NewStub(connection->channel())->Status(context.get(), request);
  api::StatusResponse response;
  while (reader->Read(&response)) display->Update(response);
  absl::Status end = StreamEnd(cancel, *connection, reader->Finish());
  display->Finish(end);
  return end;
}

absl::Status RunGet(const CancelToken& cancel, const flags::Values& values) {
  if (values.args().empty()) return InvalidArgument("blob digest must be specified");
  BK_TRY(Digest digest, Digest::Parse(values.args()[0]));
  BK_TRY(auto connection, Connect(cancel, values));
  return PrintBlob(cancel, *connection, digest);
}

}  // namespace

flags::Command MakeLogs(const CancelToken& cancel) {
  flags::Command command{"logs", {}, "display build logs"};
  command.flags = {{"progress", flags::Kind::kString, "progress output type", {}, "auto"}, {"trace", flags::Kind::kBool, "show opentelemetry trace"}};
  command.action = [cancel](const flags::Values& values) { return RunLogs(cancel, values); };
  return command;
}

flags::Command MakeGet(const CancelToken& cancel) {
  flags::Command command{"get", {}, "retrieve a blob from contentstore"};
  command.action = [cancel](const flags::Values& values) { return RunGet(cancel, values); };
  return command;
}

}  // namespace bk::client
