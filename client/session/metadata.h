// Headers of a call that the daemon makes to us, copied out of gRPC. Pure.
#pragma once

#include <grpcpp/grpcpp.h>

#include <map>
#include <string>
#include <vector>

namespace bk::client {

using Metadata = std::map<std::string, std::vector<std::string>>;

// Values announced by a `KEY-encoded` header are URL-query-unescaped (trap 22); one that is not well-formed stays as sent.
Metadata ReadMetadata(const grpc::ServerContextBase& context);
// The first value, or "".
std::string First(const Metadata& metadata, const std::string& key);

}  // namespace bk::client
