#include "daemon/session/remote_store.h"

#include "content/content.grpc.pb.h"
#include "daemon/session/grpc_session.h"

namespace bk::session {
namespace {

namespace api = containerd::services::content::v1;

constexpr char kStoreHeader[] = "buildkit-attachable-store-id";
// A blob that another writer holds is asked for again (golden wire, finding 7).
constexpr std::chrono::milliseconds kLockedRetry(100);

class GrpcRemoteStore : public RemoteStore {
 public:
  GrpcRemoteStore(std::shared_ptr<grpc::Channel> channel, std::string store_id)
      : stub_(api::Content::NewStub(channel)), store_id_(std::move(store_id)) {}

  absl::StatusOr<int64_t> Size(const CancelToken& cancel, const std::string& digest) override {
    CallScope call(cancel);
    call.context()->AddMetadata(kStoreHeader, store_id_);
    api::InfoRequest request;
    api::InfoResponse response;
    request.set_digest(digest);
    BK_RETURN_IF_ERROR(call.Result(stub_->Info(call.context(), request, &response)));
    return response.info().size();
  }

  absl::Status Read(const CancelToken& cancel, const std::string& digest, int64_t offset, int64_t size,
                    const std::function<absl::Status(std::string_view)>& sink) override {
    CallScope call(cancel);
    call.context()->AddMetadata(kStoreHeader, store_id_);
    api::ReadContentRequest request;
    request.set_digest(digest);
    request.set_offset(offset);
    request.set_size(size);
    auto reader = stub_->Read(call.context(), request);
    api::ReadContentResponse response;
    absl::Status sunk;
    while (reader->Read(&response)) {
      if (sunk.ok()) sunk = sink(response.data());
      if (!sunk.ok()) call.context()->TryCancel();
    }
    absl::Status status = call.Result(reader->Finish());
    return sunk.ok() ? status : sunk;
  }

  absl::Status Write(const CancelToken& cancel, const std::string& ref, const std::string& digest, int64_t size,
                     const std::function<absl::StatusOr<std::string>()>& next_piece) override {
    while (true) {
      bool begun = false;  // pieces cannot be had twice
      absl::Status status = TryWrite(cancel, ref, digest, size, [&] {
        begun = true;
        return next_piece();
      });
      if (absl::IsAlreadyExists(status)) return absl::OkStatus();
      if (begun || !absl::IsUnavailable(status)) return status;
      BK_RETURN_IF_ERROR(cancel.SleepFor(kLockedRetry));
    }
  }

 private:
  using Stream = grpc::ClientReaderWriter<api::WriteContentRequest, api::WriteContentResponse>;

  absl::Status TryWrite(const CancelToken& cancel, const std::string& ref, const std::string& digest, int64_t size,
                        const std::function<absl::StatusOr<std::string>()>& next_piece) {
    CallScope call(cancel);
    call.context()->AddMetadata(kStoreHeader, store_id_);
    auto stream = stub_->Write(call.context());
    absl::Status written = Exchange(*stream, ref, digest, size, next_piece);
    stream->WritesDone();
    if (!written.ok()) call.context()->TryCancel();
    api::WriteContentResponse ignored;
    while (stream->Read(&ignored)) {
    }
    absl::Status status = call.Result(stream->Finish());
    // The stream's own status says more than "the client ended it"; a failure of `next_piece` wins over both.
    return written.ok() || absl::IsAborted(written) ? status : written;
  }

  // Status message, data in pieces, commit; each answered by one response.
  absl::Status Exchange(Stream& stream, const std::string& ref, const std::string& digest, int64_t size,
                        const std::function<absl::StatusOr<std::string>()>& next_piece) {
    api::WriteContentRequest request;
    api::WriteContentResponse response;
    request.set_ref(ref);
    request.set_total(size);
    request.set_expected(digest);
    auto round = [&] { return stream.Write(request) && stream.Read(&response); };
    if (!round()) return absl::AbortedError("ended by the client");
    int64_t offset = 0;
    while (true) {
      BK_TRY(std::string piece, next_piece());
      if (piece.empty()) break;
      request.set_action(api::WRITE);
      request.set_offset(offset);
      offset += static_cast<int64_t>(piece.size());
      request.set_data(std::move(piece));
      if (!round()) return absl::AbortedError("ended by the client");
    }
    request.clear_data();
    request.set_action(api::COMMIT);
    request.set_offset(offset);
    if (!round()) return absl::AbortedError("ended by the client");
    return absl::OkStatus();
  }

  std::unique_ptr<api::Content::Stub> stub_;
  std::string store_id_;
};

}  // namespace

std::unique_ptr<RemoteStore> OpenRemoteStore(std::shared_ptr<grpc::Channel> channel, std::string store_id) {
  return std::make_unique<GrpcRemoteStore>(std::move(channel), std::move(store_id));
}

}  // namespace bk::session
