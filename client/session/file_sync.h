// FileSync: directories that the build may read, sent with the file-transfer protocol.
//
// Only named directories are reachable; owners become 0:0. NotFound for other names. See docs/wire.md.
#pragma once

#include <map>
#include <memory>
#include <string>

#include <grpcpp/grpcpp.h>

namespace bk::client {

// name → directory
std::unique_ptr<grpc::Service> MakeFileSync(std::map<std::string, std::string> directories);
inline constexpr char kFileSyncName[] = "moby.filesync.v1.FileSync";

}  // namespace bk::client
