#include "client/session/file_sync.h"

#include "client/session/metadata.h"
#include "proto/fsutil/sender.h"
#include "proto/wire/status_codec.h"
#include "session/filesync.grpc.pb.h"

namespace bk::client {
namespace {

using fsutil::Packet;
using PacketStream = grpc::ServerReaderWriter<Packet, Packet>;

class ServerStream : public fsutil::Stream {
 public:
  ServerStream(grpc::ServerContext& context, PacketStream& stream) : context_(context), stream_(stream) {}
  absl::Status Send(const Packet& packet) override {
    // Entries of the list travel together, and so do the pieces of a file: an empty packet ends both, and sends what gRPC
    // held back.
    grpc::WriteOptions options;
    if (packet.has_stat() || !packet.data().empty()) options.set_buffer_hint();
    return stream_.Write(packet, options) ? absl::OkStatus() : Cancelled("context canceled");
  }
  absl::StatusOr<bool> Receive(Packet& packet) override { return stream_.Read(&packet); }
  absl::Status Finish() override { return absl::OkStatus(); }  // the status of the call says it
  void Cancel() override { context_.TryCancel(); }

 private:
  grpc::ServerContext& context_;
  PacketStream& stream_;
};

std::vector<std::string> All(const Metadata& metadata, const std::string& key) {
  auto it = metadata.find(key);
  return it == metadata.end() ? std::vector<std::string>() : it->second;
}

// A thread of gRPC's own serves a transfer (its synchronous API): with the callback API each of the many small packets
// costs two changes of thread.
class FileSync : public moby::filesync::v1::FileSync::Service {
 public:
  explicit FileSync(std::map<std::string, std::string> directories) : directories_(std::move(directories)) {}

  grpc::Status DiffCopy(grpc::ServerContext* context, PacketStream* stream) override {
    stream->SendInitialMetadata();  // a first message that is held back would wait for them for ever
    ServerStream packets(*context, *stream);
    return wire::ToGrpc(Send(packets, ReadMetadata(*context)));
  }

 private:
  absl::Status Send(ServerStream& packets, const Metadata& metadata) const {
    std::string name = First(metadata, "dir-name");
    auto it = directories_.find(name);
    if (it == directories_.end()) return NotFound("no access allowed to dir ", Quote(name));
    fsutil::WalkOptions options;
    options.include_patterns = All(metadata, "include-patterns");
    options.exclude_patterns = All(metadata, "exclude-patterns");
    options.follow_paths = All(metadata, "followpaths");
    options.map = &fsutil::ResetOwner;
    return fsutil::SendTree(CancelToken::Never(), packets, it->second, options);
  }

  const std::map<std::string, std::string> directories_;
};

}  // namespace

std::unique_ptr<grpc::Service> MakeFileSync(std::map<std::string, std::string> directories) {
  return std::make_unique<FileSync>(std::move(directories));
}

}  // namespace bk::client
