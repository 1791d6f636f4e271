#include "client/cli/history_stream.h"

#include "client/cli/stream_error.h"
#include "control/control.grpc.pb.h"

namespace bk::client {

namespace api = moby::buildkit::v1;

absl::Status ListenHistory(const CancelToken& cancel, const Connection& connection, const api::BuildHistoryRequest& request, const TakeEvent& take,
                           std::optional<std::chrono::seconds> wait) {
  CallContext context(cancel);
  if (wait) context->set_deadline(std::chrono::system_clock::now() + *wait);
  auto reader = api::Control::NewStub(connection.channel())->ListenBuildHistory(context.get(), request);
  api::BuildHistoryEvent event;
  while (reader->Read(&event)) {
    absl::StatusOr<bool> more = take(event);
    if (more.ok() && *more) continue;
    context->TryCancel();
    reader->Finish();
    return more.status();
  }
  return StreamEnd(cancel, connection, reader->Finish());
}

}  // namespace bk::client
