// containerd's content service over the daemon's blobs, read only: what clients look at after a build.
//
// Blobs are found by digest whatever namespace a client names. Thread-safe.
#pragma once

#include "content/content.grpc.pb.h"
#include "proto/wire/server_call.h"
#include "snapshotter/content/content_store.h"

namespace bk::control {

namespace cs = containerd::services::content::v1;

class ContentService : public cs::Content::CallbackService {
 public:
  ContentService(content::ContentStore* store, TaskGroup* tasks) : store_(store), tasks_(tasks) {}

  grpc::ServerUnaryReactor* Info(grpc::CallbackServerContext* context, const cs::InfoRequest* request, cs::InfoResponse* response) override;
  grpc::ServerWriteReactor<cs::ReadContentResponse>* Read(grpc::CallbackServerContext* context, const cs::ReadContentRequest* request) override;
  grpc::ServerWriteReactor<cs::ListContentResponse>* List(grpc::CallbackServerContext* context, const cs::ListContentRequest* request) override;
  grpc::ServerUnaryReactor* Status(grpc::CallbackServerContext* context, const cs::StatusRequest* request, cs::StatusResponse*) override;
  grpc::ServerUnaryReactor* ListStatuses(grpc::CallbackServerContext* context, const cs::ListStatusesRequest*, cs::ListStatusesResponse*) override;
  grpc::ServerUnaryReactor* Update(grpc::CallbackServerContext* context, const cs::UpdateRequest*, cs::UpdateResponse*) override;
  grpc::ServerUnaryReactor* Delete(grpc::CallbackServerContext* context, const cs::DeleteContentRequest*, google::protobuf::Empty*) override;
  grpc::ServerUnaryReactor* Abort(grpc::CallbackServerContext* context, const cs::AbortRequest*, google::protobuf::Empty*) override;
  grpc::ServerBidiReactor<cs::WriteContentRequest, cs::WriteContentResponse>* Write(grpc::CallbackServerContext* context) override;

 private:
  content::ContentStore* store_;
  TaskGroup* tasks_;
};

}  // namespace bk::control
