#include "client/session/file_sync.h"

#include "client/session/metadata.h"
#include "proto/fsutil/sender.h"
#include "proto/wire/server_call.h"
#include "session/filesync.grpc.pb.h"

namespace bk::client {
namespace {

using fsutil::Packet;
using PacketStream = wire::BidiStream<Packet, Packet>;

class ServerStream : public fsutil::Stream {
 public:
  explicit ServerStream(PacketStream& stream) : stream_(stream) {}
  absl::Status Send(const Packet& packet) override { return stream_.Write(packet); }
  absl::StatusOr<bool> Receive(Packet& packet) override { return stream_.Read(packet); }
  absl::Status Finish() override { return absl::OkStatus(); }  // the status of the call says it
  void Cancel() override { stream_.Cancel(); }

 private:
  PacketStream& stream_;
};

std::vector<std::string> All(const Metadata& metadata, const std::string& key) {
  auto it = metadata.find(key);
  return it == metadata.end() ? std::vector<std::string>() : it->second;
}

class FileSync : public moby::filesync::v1::FileSync::CallbackService {
 public:
  explicit FileSync(std::map<std::string, std::string> directories) : directories_(std::move(directories)) {}

  grpc::ServerBidiReactor<Packet, Packet>* DiffCopy(grpc::CallbackServerContext* context) override {
    return wire::RunBidi<Packet, Packet>(tasks_, [this, metadata = ReadMetadata(*context)](const CancelToken& cancel, PacketStream& stream) {
      return Send(cancel, stream, metadata);
    });
  }

 private:
  absl::Status Send(const CancelToken& cancel, PacketStream& stream, const Metadata& metadata) const {
    std::string name = First(metadata, "dir-name");
    auto it = directories_.find(name);
    if (it == directories_.end()) return NotFound("no access allowed to dir ", Quote(name));
    fsutil::WalkOptions options;
    options.include_patterns = All(metadata, "include-patterns");
    options.exclude_patterns = All(metadata, "exclude-patterns");
    options.follow_paths = All(metadata, "followpaths");
    options.map = &fsutil::ResetOwner;
    ServerStream packets(stream);
    return fsutil::SendTree(cancel, packets, it->second, options);
  }

  const std::map<std::string, std::string> directories_;
  TaskGroup tasks_;
};

}  // namespace

std::unique_ptr<grpc::Service> MakeFileSync(std::map<std::string, std::string> directories) {
  return std::make_unique<FileSync>(std::move(directories));
}

}  // namespace bk::client
