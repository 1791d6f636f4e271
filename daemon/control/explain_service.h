// bk.explain.v1.Explain: why the steps of a build ran. Beside the contract of the reference; its clients see nothing of it.
//
// Thread-safe.
#pragma once

#include "daemon/explain/journal.h"
#include "explain/explain.grpc.pb.h"
#include "proto/wire/server_call.h"

namespace bk::control {

class ExplainService : public explain::v1::Explain::CallbackService {
 public:
  ExplainService(explain::Journal* journal, TaskGroup* tasks) : journal_(journal), tasks_(tasks) {}
  grpc::ServerUnaryReactor* Explain(grpc::CallbackServerContext* context, const explain::v1::ExplainRequest* request, explain::v1::ExplainResponse* response) override {
    return wire::RunUnary<explain::v1::ExplainResponse>(*tasks_, context, response, [this, request = *request](const CancelToken&, explain::v1::ExplainResponse& out) -> absl::Status {
      constexpr int64_t kDay = 24 * 3600;
      if (std::abs(request.utc_offset_seconds()) > kDay) return InvalidArgument("utc_offset_seconds ", request.utc_offset_seconds(), " is more than a day");
      BK_ASSIGN(out, journal_->Explain(request.ref(), request.utc_offset_seconds()));
      return absl::OkStatus();
    });
  }

 private:
  explain::Journal* const journal_;
  TaskGroup* const tasks_;
};

}  // namespace bk::control
