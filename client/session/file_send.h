// FileSend: results of the build, written to a local directory, a file or stdout.
//
// One method with two payloads (trap 21): file-transfer packets for a directory, chunks of bytes for a stream. Which one
// is meant follows from the exporter's number in the request's headers.
#pragma once

#include <map>
#include <memory>
#include <string>

#include <grpcpp/grpcpp.h>

#include "base/os/unique_fd.h"

namespace bk::client {

struct ExportTarget {
  std::string directory;  // files of a local export; created when missing
  bool mirror = false;    // remove what the build does not have
  os::UniqueFd file;      // of a tar-like export; opened beforehand, written once
};

// exporter's number → where its result goes. `again`: the daemon may come back on another connection and send what broke off
// once more, from its beginning; files stay open until the service ends.
std::unique_ptr<grpc::Service> MakeFileSend(std::map<int, ExportTarget> targets, bool again = false);
inline constexpr char kFileSendName[] = "moby.filesync.v1.FileSend";

}  // namespace bk::client
