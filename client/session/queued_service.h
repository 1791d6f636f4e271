// A service of the session that takes its calls from a completion queue of its own (gRPC's asynchronous API).
#pragma once

#include <grpcpp/grpcpp.h>

namespace bk::client {

class QueuedService {
 public:
  virtual ~QueuedService() = default;
  // Serves until the server is shut down and every call is over. On a thread of its own.
  virtual void Serve(grpc::ServerCompletionQueue* arrivals) = 0;
};

}  // namespace bk::client
