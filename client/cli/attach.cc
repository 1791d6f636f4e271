// `buildctl attach`: watches a build that another client started, from its beginning, and ends as it ends.
#include "client/cli/build_progress.h"
#include "client/cli/connect.h"
#include "client/cli/history_stream.h"
#include "client/cli/stream_error.h"
#include "client/cli/verbs.h"
#include "control/control.grpc.pb.h"
#include "proto/wire/status_codec.h"

namespace bk::client {
namespace {

namespace api = moby::buildkit::v1;

// Records are written after the progress ended.
constexpr std::chrono::seconds kRecordWait(10);

absl::Status Outcome(const CancelToken& cancel, const Connection& connection, const std::string& ref) {
  api::BuildHistoryRequest request;
  request.set_ref(ref);
  std::optional<api::BuildHistoryRecord> record;
  auto take = [&](const api::BuildHistoryEvent& event) {
    if (event.record().ref() == ref && event.record().has_completedat()) record = event.record();
    return !record.has_value();
  };
  absl::Status end = ListenHistory(cancel, connection, request, take, kRecordWait);
  if (!record) return Unknown("build ", Quote(ref), " ended, but how is not known: ", end.ok() ? "there is no record of it" : ErrorText(end));
  return record->has_error() ? AnnotateCall(wire::FromProto(record->error()), "failed to solve") : absl::OkStatus();
}

absl::Status Run(const CancelToken& cancel, const flags::Values& values) {
  if (values.args().size() != 1) return InvalidArgument("build ref must be specified");
  const std::string& ref = values.args()[0];
  BK_TRY(auto connection, Connect(cancel, values));
  BK_TRY(auto display, MakeDisplay(values.String("progress"), stderr, fileno(stderr)));
  BuildProgress progress(std::move(display), {});
  CallContext context(cancel);
  api::StatusRequest request;
  request.set_ref(ref);
  auto reader = api::Control::NewStub(connection->channel())->Status(context.get(), request);
  api::StatusResponse response;
  while (reader->Read(&response)) progress.FromDaemon(response);
  absl::Status end = StreamEnd(cancel, *connection, reader->Finish());
  if (end.ok()) end = Outcome(cancel, *connection, ref);
  progress.Finish(end);
  return end;
}

}  // namespace

flags::Command MakeAttach(const CancelToken& cancel) {
  flags::Command command{"attach", {}, "watch a build that another client started, and end as it ends"};
  command.usage_text = "REF";
  command.flags = {{"progress", flags::Kind::kString, "Set type of progress (auto, plain, tty, rawjson, quiet). Use plain to show container output", {}, "auto"}};
  command.action = [cancel](const flags::Values& values) { return Run(cancel, values); };
  return command;
}

}  // namespace bk::client
