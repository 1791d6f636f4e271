// Client streams of the file services: fsutil packets both ways, or raw bytes one way (trap 21: one method, two payloads).
#pragma once

#include <memory>

#include <grpcpp/grpcpp.h>

#include "daemon/session/session.h"

namespace bk::session {

// Calls `method` with Packet messages whatever the service's own type says; cancelled with `cancel`. `receives`: the files
// come from the client.
std::unique_ptr<fsutil::Stream> OpenPacketStream(const std::shared_ptr<grpc::Channel>& channel, const char* method,
                                                 std::unique_ptr<grpc::ClientContext> context, const CancelToken& cancel, bool receives);
// FileSend.DiffCopy with BytesMessage.
std::unique_ptr<ByteSink> OpenByteSink(const std::shared_ptr<grpc::Channel>& channel, std::unique_ptr<grpc::ClientContext> context, const CancelToken& cancel);

}  // namespace bk::session
