// How a stream of the daemon ended, in the reference's words: errors of streams show how they came, unlike those of plain calls.
#pragma once

#include "client/conn/connection.h"

namespace bk::client {

absl::Status StreamEnd(const CancelToken& cancel, const Connection& connection, const grpc::Status& end);

}  // namespace bk::client
