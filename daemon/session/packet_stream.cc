#include "daemon/session/packet_stream.h"

#include <grpcpp/impl/codegen/rpc_method.h>

#include "proto/wire/duplex.h"
#include "proto/wire/status_codec.h"
#include "session/filesync.grpc.pb.h"

namespace bk::session {
namespace {

using grpc::ByteBuffer;
using grpc::internal::ClientAsyncReaderWriterFactory;
using grpc::internal::ClientReaderWriterFactory;
using grpc::internal::RpcMethod;
using moby::filesync::v1::BytesMessage;

// What one message of a byte stream carries at most.
constexpr size_t kPieceBytes = 1 << 20;
// Requests for files wait here rather than that the transfer stands still: a client may take none while it sends, and
// there is one an entry at most. A sender of files waits earlier.
constexpr size_t kMostRequestBytes = 256 << 20, kMostSentBytes = 1 << 20;

// A bidirectional call that a token can break. Finish is called once, by whoever comes first.
template <typename Message>
class Call {
 public:
  Call(const std::shared_ptr<grpc::Channel>& channel, const char* method, std::unique_ptr<grpc::ClientContext> context, const CancelToken& cancel)
      : context_(std::move(context)),
        cancel_(cancel),
        stream_(ClientReaderWriterFactory<Message, Message>::Create(channel.get(), RpcMethod(method, RpcMethod::BIDI_STREAMING, channel), context_.get())),
        on_cancel_(std::make_unique<CancelCallback>(cancel, [this] { context_->TryCancel(); })) {}
  ~Call() {
    if (!finished_) {
      context_->TryCancel();
      Finish().IgnoreError();
    }
  }
  grpc::ClientReaderWriter<Message, Message>& stream() { return *stream_; }
  void TryCancel() { context_->TryCancel(); }
  absl::Status Finish() {
    if (!finished_) {
      finished_ = true;
      Message ignored;
      // Finish of the sync API must come after the last read.
      while (stream_->Read(&ignored)) {
      }
      result_ = wire::FromGrpc(stream_->Finish());
      if (!result_.ok()) {
        if (auto cause = cancel_.Check(); !cause.ok()) result_ = cause;
      }
    }
    return result_;
  }

 private:
  std::unique_ptr<grpc::ClientContext> context_;
  CancelToken cancel_;
  std::unique_ptr<grpc::ClientReaderWriter<Message, Message>> stream_;
  std::unique_ptr<CancelCallback> on_cancel_;
  bool finished_ = false;
  absl::Status result_;
};

class PacketStream : public fsutil::Stream {
 public:
  PacketStream(const std::shared_ptr<grpc::Channel>& channel, const char* method, std::unique_ptr<grpc::ClientContext> context, const CancelToken& cancel, bool receives)
      : context_(std::move(context)),
        cancel_(cancel),
        stream_(ClientAsyncReaderWriterFactory<ByteBuffer, ByteBuffer>::Create(channel.get(), &queue_, RpcMethod(method, RpcMethod::BIDI_STREAMING, channel), context_.get(), false, nullptr)),
        duplex_(stream_.get(), &queue_, receives ? kMostRequestBytes : kMostSentBytes),
        on_cancel_(std::make_unique<CancelCallback>(cancel, [this] { context_->TryCancel(); })) {
    // Not started: then everything that follows fails.
    duplex_.Run([&](void* tag) { stream_->StartCall(tag); });
  }
  ~PacketStream() override {
    if (!finished_) {
      context_->TryCancel();
      End().IgnoreError();
    }
    duplex_.Drain();
  }
  absl::Status Send(const fsutil::Packet& packet) override {
    return duplex_.Send(wire::Encode(packet)) ? absl::OkStatus() : Unavailable("the client ended the transfer");
  }
  absl::Status Flush() override { return duplex_.Flush() ? absl::OkStatus() : Unavailable("the client ended the transfer"); }
  absl::StatusOr<bool> Receive(fsutil::Packet& packet) override {
    ByteBuffer bytes;
    if (duplex_.Receive(bytes)) {
      if (!wire::Decode(bytes, packet)) return InvalidArgument("bad packet from the client");
      return true;
    }
    BK_RETURN_IF_ERROR(End());
    return false;
  }
  bool Pending() override { return duplex_.Pending(); }
  absl::Status Finish() override {
    if (!finished_ && duplex_.Flush()) duplex_.Run([&](void* tag) { stream_->WritesDone(tag); });
    return End();
  }
  void Cancel() override { context_->TryCancel(); }

 private:
  // The call's status, once everything was read.
  absl::Status End() {
    if (finished_) return result_;
    finished_ = true;
    ByteBuffer rest;
    while (duplex_.Receive(rest)) {
    }
    grpc::Status status;
    duplex_.Run([&](void* tag) { stream_->Finish(&status, tag); });
    result_ = wire::FromGrpc(status);
    if (!result_.ok()) {
      if (auto cause = cancel_.Check(); !cause.ok()) result_ = cause;
    }
    return result_;
  }

  grpc::CompletionQueue queue_;
  std::unique_ptr<grpc::ClientContext> context_;
  CancelToken cancel_;
  std::unique_ptr<grpc::ClientAsyncReaderWriter<ByteBuffer, ByteBuffer>> stream_;
  wire::Duplex<grpc::ClientAsyncReaderWriter<ByteBuffer, ByteBuffer>> duplex_;
  std::unique_ptr<CancelCallback> on_cancel_;
  bool finished_ = false;
  absl::Status result_;
};

class GrpcByteSink : public ByteSink {
 public:
  GrpcByteSink(const std::shared_ptr<grpc::Channel>& channel, std::unique_ptr<grpc::ClientContext> context, const CancelToken& cancel)
      : call_(channel, "/moby.filesync.v1.FileSend/DiffCopy", std::move(context), cancel) {}
  absl::Status Write(std::string_view bytes) override {
    while (!bytes.empty()) {
      BytesMessage message;
      std::string_view piece = bytes.substr(0, kPieceBytes);
      message.set_data(piece.data(), piece.size());
      if (!call_.stream().Write(message)) {
        absl::Status status = call_.Finish();
        return status.ok() ? Unavailable("the client ended the transfer") : status;
      }
      bytes.remove_prefix(piece.size());
    }
    return absl::OkStatus();
  }
  absl::Status Close() override {
    call_.stream().WritesDone();
    return call_.Finish();
  }

 private:
  Call<BytesMessage> call_;
};

}  // namespace

std::unique_ptr<fsutil::Stream> OpenPacketStream(const std::shared_ptr<grpc::Channel>& channel, const char* method,
                                                 std::unique_ptr<grpc::ClientContext> context, const CancelToken& cancel, bool receives) {
  return std::make_unique<PacketStream>(channel, method, std::move(context), cancel, receives);
}

std::unique_ptr<ByteSink> OpenByteSink(const std::shared_ptr<grpc::Channel>& channel, std::unique_ptr<grpc::ClientContext> context, const CancelToken& cancel) {
  return std::make_unique<GrpcByteSink>(channel, std::move(context), cancel);
}

}  // namespace bk::session
