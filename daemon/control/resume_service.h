// bk.resume.v1.Resume: a client's wish to end what would outlive its connection. Beside the contract of the reference.
//
// Thread-safe.
#pragma once

#include "proto/wire/kept_calls.h"
#include "resume/resume.grpc.pb.h"

namespace bk::control {

class ResumeService : public resume::v1::Resume::CallbackService {
 public:
  explicit ResumeService(wire::KeptCalls* kept) : kept_(kept) {}
  grpc::ServerUnaryReactor* Cancel(grpc::CallbackServerContext* context, const resume::v1::CancelRequest* request, resume::v1::CancelResponse*) override {
    return wire::Answer(context, kept_->Cancel(request->token()) ? absl::OkStatus() : NotFound("nothing runs under this token"));
  }

 private:
  wire::KeptCalls* const kept_;
};

}  // namespace bk::control
