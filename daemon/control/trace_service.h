// opentelemetry's trace export: spans of clients and of steps are taken and dropped; nothing forwards them yet.
//
// Thread-safe.
#pragma once

#include "external/trace.grpc.pb.h"
#include "proto/wire/server_call.h"

namespace bk::control {

class TraceService : public opentelemetry::proto::collector::trace::v1::TraceService::CallbackService {
 public:
  grpc::ServerUnaryReactor* Export(grpc::CallbackServerContext* context, const opentelemetry::proto::collector::trace::v1::ExportTraceServiceRequest*,
                                   opentelemetry::proto::collector::trace::v1::ExportTraceServiceResponse*) override {
    return wire::Answer(context, absl::OkStatus());
  }
};

}  // namespace bk::control
