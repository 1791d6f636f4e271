#include "client/session/file_send.h"

#include <fcntl.h>
#include <unistd.h>

#include <set>

#include "base/go_parse.h"
#include "base/os/file.h"
#include "client/session/metadata.h"
#include "proto/fsutil/receiver.h"
#include "proto/wire/server_call.h"
#include "session/filesync.grpc.pb.h"

namespace bk::client {
namespace {

using grpc::ByteBuffer;
using RawStream = wire::BidiStream<ByteBuffer, ByteBuffer>;

template <typename Message>
bool Decode(ByteBuffer& buffer, Message& message) {
  return grpc::SerializationTraits<Message>::Deserialize(&buffer, &message).ok();
}

class PacketStream : public fsutil::Stream {
 public:
  explicit PacketStream(RawStream& stream) : stream_(stream) {}
  absl::Status Send(const fsutil::Packet& packet) override {
    ByteBuffer buffer;
    bool own = false;
    if (!grpc::SerializationTraits<fsutil::Packet>::Serialize(packet, &buffer, &own).ok()) return Internal("cannot encode a packet");
    return stream_.Write(buffer);
  }
  absl::StatusOr<bool> Receive(fsutil::Packet& packet) override {
    ByteBuffer buffer;
    if (!stream_.Read(buffer)) return false;
    if (!Decode(buffer, packet)) return InvalidArgument("bad packet from the daemon");
    return true;
  }
  absl::Status Finish() override { return absl::OkStatus(); }
  void Cancel() override { stream_.Cancel(); }

 private:
  RawStream& stream_;
};

absl::Status ReceiveDirectory(const CancelToken& cancel, RawStream& stream, const ExportTarget& target, const Metadata& metadata) {
  if (target.mirror && First(metadata, "buildkit-exporter-multi-platform") != "1") {
    return FailedPrecondition("local exporter mode=delete requires a BuildKit daemon with multi-platform local export support");
  }
  if (absl::Status made = os::MakeDirs(target.directory, 0700); !made.ok()) {
    return Annotate(made, StrCat("failed to create synctarget dest dir ", target.directory));
  }
  fsutil::ReceiveOptions options;
  options.merge = !target.mirror;
  options.differ = target.mirror ? fsutil::Differ::kNone : fsutil::Differ::kMetadata;
  options.filter = [uid = getuid(), gid = getgid()](fsutil::Stat& stat) {
    stat.set_uid(uid);
    stat.set_gid(gid);
    return true;
  };
  PacketStream packets(stream);
  return fsutil::ReceiveTree(cancel, packets, target.directory, options);
}

// Where the next write goes: what stands before it is not ours. -1 for pipes and the like.
off_t WritePosition(int fd) {
  return lseek(fd, 0, (fcntl(fd, F_GETFL) & O_APPEND) != 0 ? SEEK_END : SEEK_CUR);
}

absl::Status ReceiveFile(const CancelToken& cancel, RawStream& stream, int fd) {
  ByteBuffer buffer;
  moby::filesync::v1::BytesMessage message;
  while (stream.Read(buffer)) {
    if (!Decode(buffer, message)) return InvalidArgument("bad message from the daemon");
    BK_RETURN_IF_ERROR(os::WriteAll(fd, message.data()));
  }
  return cancel.Check();  // an end by cancellation is no end of the file
}

using RawFileSend = moby::filesync::v1::FileSend::WithRawCallbackMethod_DiffCopy<moby::filesync::v1::FileSend::Service>;

class FileSend : public RawFileSend {
 public:
  FileSend(std::map<int, ExportTarget> targets, bool again) : targets_(std::move(targets)), again_(again) {}

  grpc::ServerBidiReactor<ByteBuffer, ByteBuffer>* DiffCopy(grpc::CallbackServerContext* context) override {
    return wire::RunBidi<ByteBuffer, ByteBuffer>(tasks_, [this, metadata = ReadMetadata(*context)](const CancelToken& cancel, RawStream& stream) {
      return Receive(cancel, stream, metadata);
    });
  }

 private:
  absl::Status Receive(const CancelToken& cancel, RawStream& stream, const Metadata& metadata) {
    int id = static_cast<int>(ParseInt(First(metadata, "buildkit-attachable-exporter-id"), 10, 32).value_or(0));
    auto it = targets_.find(id);
    if (it == targets_.end()) return NotFound("exporter ", id, " not found");
    ExportTarget& target = it->second;
    if (!target.directory.empty()) return ReceiveDirectory(cancel, stream, target, metadata);
    // One that is still written belongs to a connection that broke: its end is near.
    os::UniqueFd file = files_.WaitThen([&](std::set<int>& written) { return !written.contains(id); },
                                        [&](std::set<int>& written) {
                                          written.insert(id);
                                          return std::move(target.file);
                                        });
    absl::Status status = WriteFile(cancel, stream, id, file);
    files_.Change([&](std::set<int>& written) {
      target.file = std::move(file);
      written.erase(id);
    });
    return status;
  }

  // A connection that breaks may look like the end of the file; so what comes again replaces what came.
  absl::Status WriteFile(const CancelToken& cancel, RawStream& stream, int id, os::UniqueFd& file) {
    if (!file) return FailedPrecondition("exporter ", id, " was written already");
    auto [begin, first] = begun_.With([&](std::map<int, off_t>& begun) {
      auto [it, added] = begun.emplace(id, 0);
      if (added) it->second = WritePosition(file.get());
      return std::make_pair(it->second, added);
    });
    if (!first && (begin < 0 || ftruncate(file.get(), begin) != 0 || lseek(file.get(), begin, SEEK_SET) < 0)) {
      return FailedPrecondition("exporter ", id, ": a part of it is written already, where it cannot be taken back");
    }
    BK_RETURN_IF_ERROR(ReceiveFile(cancel, stream, file.get()));
    // Some file systems say at its end only what went wrong.
    os::UniqueFd last(again_ ? dup(file.get()) : file.Release());
    if (!last || close(last.Release()) != 0) return ErrnoError(errno, "close the exported file");
    return absl::OkStatus();
  }

  std::map<int, ExportTarget> targets_;
  Guarded<std::set<int>> files_;  // guards the targets' `file`; those that are being written
  Guarded<std::map<int, off_t>> begun_;  // where those that came at least once begin in their files
  const bool again_;
  TaskGroup tasks_;
};

}  // namespace

std::unique_ptr<grpc::Service> MakeFileSend(std::map<int, ExportTarget> targets, bool again) { return std::make_unique<FileSend>(std::move(targets), again); }

}  // namespace bk::client
