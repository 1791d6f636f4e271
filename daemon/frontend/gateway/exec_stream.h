// LLBBridge.ExecProcess: processes of a frontend's containers, many on one stream, by the ids that the frontend chose.
//
// For each: Init from the client, then Started, File (output), and when it ended File with EOF, Exit, Done. Blocks; one
// call a stream.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "daemon/frontend/container.h"
#include "frontend/gateway.pb.h"

namespace bk::frontend::gateway {

namespace api = moby::buildkit::v1::frontend;

class ExecStream {
 public:
  virtual ~ExecStream() = default;
  virtual bool Read(api::ExecMessage& message) = 0;              // false: the client sends no more, or is gone
  virtual absl::Status Write(const api::ExecMessage& message) = 0;  // from several threads
  virtual void StopReading() = 0;                                // Read returns false
};

using ContainerFinder = std::function<std::shared_ptr<Container>(const std::string& id)>;

// Until the client has ended its side and all processes are over. When `cancel`led or after a message that makes no sense
// the processes of the stream are killed.
absl::Status ServeExec(const CancelToken& cancel, ExecStream& stream, const ContainerFinder& find);

// The number of "TERM", "HUP", "RTMIN+3" …; 0: there is none of that name.
int SignalNumber(const std::string& name);

}  // namespace bk::frontend::gateway
