#include "client/session/file_sync.h"

#include "base/task_group.h"
#include "client/session/metadata.h"
#include "client/session/queued_service.h"
#include "proto/fsutil/sender.h"
#include "proto/wire/duplex.h"
#include "proto/wire/status_codec.h"
#include "session/filesync.grpc.pb.h"

namespace bk::client {
namespace {

using grpc::ByteBuffer;
using RawStream = grpc::ServerAsyncReaderWriter<ByteBuffer, ByteBuffer>;

// What may be under way to the daemon.
constexpr size_t kMostSentBytes = 256 << 10;

// One call, served by a thread of its own.
class Call : public fsutil::Stream {
 public:
  Call() : stream_(&context_), duplex_(&stream_, &queue_, kMostSentBytes) {}
  grpc::ServerContext& context() { return context_; }
  void Request(moby::filesync::v1::FileSync::WithRawMethod_DiffCopy<moby::filesync::v1::FileSync::Service>& service, grpc::ServerCompletionQueue* arrivals) {
    service.RequestDiffCopy(&context_, &stream_, &queue_, arrivals, this);
  }
  void Begin() {
    duplex_.Run([&](void* tag) { stream_.SendInitialMetadata(tag); });
  }
  void End(const grpc::Status& status) {
    duplex_.Flush();
    duplex_.Run([&](void* tag) { stream_.Finish(status, tag); });
    context_.TryCancel();
    duplex_.Drain();
  }
  // There was no call.
  void Drop() { duplex_.Drain(); }

  absl::Status Send(const fsutil::Packet& packet) override { return duplex_.Send(wire::Encode(packet)) ? absl::OkStatus() : Cancelled("context canceled"); }
  absl::Status Flush() override { return duplex_.Flush() ? absl::OkStatus() : Cancelled("context canceled"); }
  absl::StatusOr<bool> Receive(fsutil::Packet& packet) override {
    ByteBuffer bytes;
    if (!duplex_.Receive(bytes)) return false;
    if (!wire::Decode(bytes, packet)) return InvalidArgument("bad packet from the daemon");
    return true;
  }
  bool Pending() override { return duplex_.Pending(); }
  absl::Status Finish() override { return absl::OkStatus(); }  // the status of the call says it
  void Cancel() override { context_.TryCancel(); }

 private:
  grpc::CompletionQueue queue_;
  grpc::ServerContext context_;
  RawStream stream_;
  wire::Duplex<RawStream> duplex_;
};

std::vector<std::string> All(const Metadata& metadata, const std::string& key) {
  auto it = metadata.find(key);
  return it == metadata.end() ? std::vector<std::string>() : it->second;
}

class FileSync : public moby::filesync::v1::FileSync::WithRawMethod_DiffCopy<moby::filesync::v1::FileSync::Service>, public QueuedService {
 public:
  explicit FileSync(std::map<std::string, std::string> directories) : directories_(std::move(directories)) {}

  void Serve(grpc::ServerCompletionQueue* arrivals) override {
    TaskGroup calls;
    void* tag;
    bool ok = true;
    while (ok) {
      auto call = std::make_shared<Call>();
      call->Request(*this, arrivals);
      ok = arrivals->Next(&tag, &ok) && ok;
      if (ok) {
        calls.Run([this, call] { Answer(*call); });
      } else {
        call->Drop();
      }
    }
  }

 private:
  void Answer(Call& call) const {
    call.Begin();
    call.End(wire::ToGrpc(Send(call, ReadMetadata(call.context()))));
  }

  absl::Status Send(Call& call, const Metadata& metadata) const {
    std::string name = First(metadata, "dir-name");
    auto it = directories_.find(name);
    if (it == directories_.end()) return NotFound("no access allowed to dir ", Quote(name));
    fsutil::WalkOptions options;
    options.include_patterns = All(metadata, "include-patterns");
    options.exclude_patterns = All(metadata, "exclude-patterns");
    options.follow_paths = All(metadata, "followpaths");
    options.map = &fsutil::ResetOwner;
    return fsutil::SendTree(CancelToken::Never(), call, it->second, options);
  }

  const std::map<std::string, std::string> directories_;
};

}  // namespace

std::unique_ptr<grpc::Service> MakeFileSync(std::map<std::string, std::string> directories) {
  return std::make_unique<FileSync>(std::move(directories));
}

}  // namespace bk::client
