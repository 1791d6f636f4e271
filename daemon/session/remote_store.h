// A content store that a client serves over its session (OCI layouts, exports with tar=false).
#pragma once

#include <memory>

#include <grpcpp/grpcpp.h>

#include "daemon/session/session.h"

namespace bk::session {

std::unique_ptr<RemoteStore> OpenRemoteStore(std::shared_ptr<grpc::Channel> channel, std::string store_id);

}  // namespace bk::session
