#include "client/cli/stream_error.h"

#include "proto/wire/status_codec.h"

namespace bk::client {

absl::Status StreamEnd(const CancelToken& cancel, const Connection& connection, const grpc::Status& end) {
  absl::Status status = connection.FromCall(end);
  if (status.ok()) return status;
  if (cancel.cancelled()) status = Cancelled("context canceled");
  return Unknown(wire::RpcErrorText(status));
}

}  // namespace bk::client
