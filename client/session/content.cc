#include "client/session/content.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <ctime>

#include "client/session/metadata.h"
#include "content/content.grpc.pb.h"
#include "proto/wire/server_call.h"

namespace bk::client {
namespace {

namespace api = containerd::services::content::v1;

constexpr char kStoreHeader[] = "buildkit-attachable-store-id";
constexpr int64_t kPieceBytes = 1 << 20;
constexpr char kEmptyDigest[] = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

using StorePtr = std::shared_ptr<BlobStore>;
using WriteStream = wire::BidiStream<api::WriteContentRequest, api::WriteContentResponse>;

absl::Status ReadBlob(BlobStore& store, const api::ReadContentRequest& request, wire::Writer<api::ReadContentResponse>& out) {
  BK_TRY(Digest digest, Digest::Parse(request.digest()));
  BK_TRY(struct stat st, store.Info(digest));
  BK_TRY(os::UniqueFd fd, store.OpenBlob(digest));
  // The size is that of the reader's buffer: it may be larger than what is there (containerd's content service).
  int64_t offset = std::max<int64_t>(request.offset(), 0), size = request.size();
  if (offset > st.st_size) return Error(absl::StatusCode::kOutOfRange, "read past object length ", int64_t{st.st_size}, " bytes");
  if (size <= 0 || size > st.st_size - offset) size = st.st_size - offset;
  api::ReadContentResponse piece;
  while (size > 0) {
    std::string* data = piece.mutable_data();
    data->resize(static_cast<size_t>(std::min(size, kPieceBytes)));
    ssize_t n = pread(fd.get(), data->data(), data->size(), offset);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return ErrnoError(errno, StrCat("read ", digest.str()));
    if (n == 0) return DataLoss("blob ", digest.str(), " became shorter while it was read");
    data->resize(static_cast<size_t>(n));
    piece.set_offset(offset);
    BK_RETURN_IF_ERROR(out.Write(piece));
    offset += n;
    size -= n;
  }
  return absl::OkStatus();
}

// One Write call: a reference is opened by its first message, then status, data and commit as they come.
class WriteCall {
 public:
  WriteCall(BlobStore& store, WriteStream& stream) : store_(store), stream_(stream) {
    started_.set_seconds(std::time(nullptr));
  }

  absl::Status Run() {
    api::WriteContentRequest request;
    while (stream_.Read(request)) {
      BK_TRY(bool done, Handle(request));
      if (done) return absl::OkStatus();
    }
    return absl::OkStatus();
  }

 private:
  absl::Status Open(const api::WriteContentRequest& request) {
    Digest expected;
    if (!request.expected().empty()) BK_ASSIGN(expected, Digest::Parse(request.expected()));
    BK_ASSIGN(ingest_, store_.Begin(request.ref(), expected));
    total_ = request.total();
    expected_ = expected;
    return absl::OkStatus();
  }

  absl::StatusOr<bool> Handle(const api::WriteContentRequest& request) {
    if (ingest_ == nullptr) BK_RETURN_IF_ERROR(Open(request));
    if (request.total() > 0) total_ = request.total();
    if (!request.expected().empty()) BK_ASSIGN(expected_, Digest::Parse(request.expected()));
    if (!request.data().empty()) {
      if (request.offset() != ingest_->offset()) {
        return Error(absl::StatusCode::kOutOfRange, "write @", request.offset(), " must occur at current offset ", ingest_->offset());
      }
      BK_RETURN_IF_ERROR(ingest_->Write(request.data()));
    }
    api::WriteContentResponse response;
    response.set_action(request.action());
    if (ingest_->offset() == 0) response.set_digest(kEmptyDigest);
    if (request.action() == api::COMMIT) {
      BK_TRY(Digest digest, ingest_->Commit(total_, expected_));
      response.set_digest(digest.str());
    }
    response.set_offset(ingest_->offset());
    response.set_total(total_);
    *response.mutable_started_at() = started_;
    response.mutable_updated_at()->set_seconds(std::time(nullptr));
    BK_RETURN_IF_ERROR(stream_.Write(response));
    return request.action() == api::COMMIT;
  }

  BlobStore& store_;
  WriteStream& stream_;
  std::unique_ptr<BlobStore::Ingest> ingest_;
  int64_t total_ = 0;
  Digest expected_;
  google::protobuf::Timestamp started_;
};

void SetTime(google::protobuf::Timestamp* out, const timespec& time) {
  out->set_seconds(time.tv_sec);
  out->set_nanos(static_cast<int32_t>(time.tv_nsec));
}

class Content : public api::Content::CallbackService {
 public:
  explicit Content(std::map<std::string, StorePtr> stores) : stores_(std::move(stores)) {}

  grpc::ServerUnaryReactor* Info(grpc::CallbackServerContext* context, const api::InfoRequest* request, api::InfoResponse* response) override {
    return wire::RunUnary<api::InfoResponse>(tasks_, context, response,
                                             [store = Choose(*context), text = request->digest()](const CancelToken&, api::InfoResponse& out) -> absl::Status {
                                               BK_RETURN_IF_ERROR(store);
                                               BK_TRY(Digest digest, Digest::Parse(text));
                                               BK_TRY(struct stat st, (*store)->Info(digest));
                                               out.mutable_info()->set_digest(digest.str());
                                               out.mutable_info()->set_size(st.st_size);
                                               SetTime(out.mutable_info()->mutable_created_at(), st.st_mtim);
                                               SetTime(out.mutable_info()->mutable_updated_at(), st.st_mtim);
                                               return absl::OkStatus();
                                             });
  }

  grpc::ServerWriteReactor<api::ReadContentResponse>* Read(grpc::CallbackServerContext* context, const api::ReadContentRequest* request) override {
    return wire::RunServerStream<api::ReadContentResponse>(
        tasks_, [store = Choose(*context), request = *request](const CancelToken&, wire::Writer<api::ReadContentResponse>& out) -> absl::Status {
          BK_RETURN_IF_ERROR(store);
          return ReadBlob(**store, request, out);
        });
  }

  grpc::ServerBidiReactor<api::WriteContentRequest, api::WriteContentResponse>* Write(grpc::CallbackServerContext* context) override {
    return wire::RunBidi<api::WriteContentRequest, api::WriteContentResponse>(
        tasks_, [store = Choose(*context)](const CancelToken&, WriteStream& stream) -> absl::Status {
          BK_RETURN_IF_ERROR(store);
          return WriteCall(**store, stream).Run();
        });
  }

  // Nothing is kept of an ingest that ended, so there is never one to tell of or to abort.
  grpc::ServerUnaryReactor* Status(grpc::CallbackServerContext* context, const api::StatusRequest* request, api::StatusResponse*) override {
    return wire::Answer(context, NotFound("ref ", request->ref(), ": not found"));
  }
  grpc::ServerUnaryReactor* Abort(grpc::CallbackServerContext* context, const api::AbortRequest* request, google::protobuf::Empty*) override {
    return wire::Answer(context, NotFound("ref ", request->ref(), ": not found"));
  }

 private:
  absl::StatusOr<StorePtr> Choose(const grpc::CallbackServerContext& context) const {
    std::string id = First(ReadMetadata(context), kStoreHeader);
    if (id.empty()) return InvalidArgument("request lacks metadata ", Quote(kStoreHeader), ": invalid argument");
    auto it = stores_.find(id);
    if (it == stores_.end()) return NotFound("unknown store ", id, ": not found");
    return it->second;
  }

  const std::map<std::string, StorePtr> stores_;
  TaskGroup tasks_;
};

}  // namespace

std::unique_ptr<grpc::Service> MakeContent(std::map<std::string, StorePtr> stores) { return std::make_unique<Content>(std::move(stores)); }

}  // namespace bk::client
