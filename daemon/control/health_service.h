// grpc.health.v1: whether the daemon takes builds. Clients and service managers ask before they send one.
//
// Answers at once; Watch tells every change until the client leaves. Thread-safe.
#pragma once

#include <optional>

#include "base/guarded.h"
#include "external/health.grpc.pb.h"
#include "proto/wire/server_call.h"

namespace bk::control {

class HealthService : public grpc::health::v1::Health::CallbackService {
 public:
  explicit HealthService(TaskGroup* tasks) : tasks_(tasks) {}
  void SetServing(bool serving);

  grpc::ServerUnaryReactor* Check(grpc::CallbackServerContext* context, const grpc::health::v1::HealthCheckRequest* request, grpc::health::v1::HealthCheckResponse* response) override;
  grpc::ServerWriteReactor<grpc::health::v1::HealthCheckResponse>* Watch(grpc::CallbackServerContext* context, const grpc::health::v1::HealthCheckRequest* request) override;

 private:
  TaskGroup* tasks_;
  Guarded<bool> serving_{true};
};

}  // namespace bk::control
