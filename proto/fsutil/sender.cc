#include "proto/fsutil/sender.h"

#include <fcntl.h>
#include <unistd.h>

#include <map>

#include "base/guarded.h"
#include "base/os/file.h"
#include "base/os/root_path.h"
#include "base/task_group.h"

namespace bk::fsutil {
namespace {

constexpr size_t kPieceBytes = 32 << 10;

bool IsRegular(const Stat& stat) { return (stat.mode() & kModeType) == 0; }

class Sender {
 public:
  Sender(const CancelToken& cancel, Stream& stream, const TreeSource& source, const std::function<void(int64_t)>& progress)
      : cancel_(cancel), stream_(stream), source_(source), progress_(progress) {}

  absl::Status Run() {
    CancelCallback stop(cancel_, [this] { stream_.Cancel(); });
    TaskGroup answers;
    absl::Status answered;
    answers.Run([&] { answered = Answer(); });
    absl::Status listed = List();
    if (!listed.ok()) {
      // The peer learns why, then the stream breaks.
      Packet packet;
      packet.set_type(Packet::PACKET_ERR);
      packet.set_data(Message(listed));
      Send(packet).IgnoreError();
      stream_.Cancel();
    }
    answers.Wait();
    BK_RETURN_IF_ERROR(cancel_.Check());
    return listed.ok() ? answered : listed;
  }

 private:
  absl::Status Send(const Packet& packet) {
    return sent_.With([&](int64_t& sent) {
      BK_RETURN_IF_ERROR(stream_.Send(packet));
      if (!packet.has_stat() && packet.data().empty()) return absl::OkStatus();
      sent += static_cast<int64_t>(packet.ByteSizeLong());
      if (progress_) progress_(sent);
      return absl::OkStatus();
    });
  }

  absl::Status List() {
    uint32_t id = 0;
    BK_RETURN_IF_ERROR(source_.walk([&](Stat& stat) -> absl::Status {
      BK_RETURN_IF_ERROR(cancel_.Check());
      // Also hard links can be asked for, although no receiver does.
      if (IsRegular(stat)) files_.With([&](auto& files) { files[id] = stat.path(); });
      id++;
      Packet packet;
      packet.set_type(Packet::PACKET_STAT);
      *packet.mutable_stat() = stat;
      return Send(packet);
    }));
    Packet end;
    end.set_type(Packet::PACKET_STAT);
    return Send(end);
  }

  absl::Status Answer() {
    Packet packet;
    while (true) {
      BK_TRY(bool more, stream_.Receive(packet));
      if (!more) return Unknown("EOF");
      switch (packet.type()) {
        case Packet::PACKET_REQ: BK_RETURN_IF_ERROR(SendFile(packet.id())); break;
        case Packet::PACKET_ERR: return Unknown("error from receiver: ", packet.data());
        case Packet::PACKET_FIN: {
          Packet fin;
          fin.set_type(Packet::PACKET_FIN);
          return Send(fin);
        }
        default: break;
      }
    }
  }

  absl::Status SendFile(uint32_t id) {
    std::string path = files_.With([&](auto& files) {
      auto it = files.find(id);
      if (it == files.end()) return std::string();
      std::string found = std::move(it->second);
      files.erase(it);  // a file can be asked for once
      return found;
    });
    if (path.empty()) return InvalidArgument("invalid file id ", id);
    Packet packet;
    packet.set_type(Packet::PACKET_DATA);
    packet.set_id(id);
    // A file that vanished since it was listed arrives empty.
    auto opened = source_.open(path);
    if (!opened.ok() && !absl::IsNotFound(opened.status())) return opened.status();
    if (opened.ok()) {
      os::UniqueFd fd(*opened);
      std::string buffer(kPieceBytes, '\0');
      while (true) {
        ssize_t n = read(fd.get(), buffer.data(), buffer.size());
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return ErrnoError(errno, StrCat("read ", path));
        if (n == 0) break;
        packet.set_data(buffer.data(), static_cast<size_t>(n));
        BK_RETURN_IF_ERROR(Send(packet));
      }
    }
    packet.clear_data();
    return Send(packet);
  }

  const CancelToken& cancel_;
  Stream& stream_;
  const TreeSource& source_;
  const std::function<void(int64_t)>& progress_;
  Guarded<int64_t> sent_;  // also: one packet at a time
  Guarded<std::map<uint32_t, std::string>> files_;
};

}  // namespace

absl::Status SendTree(const CancelToken& cancel, Stream& stream, const TreeSource& source, const std::function<void(int64_t)>& progress) {
  return Sender(cancel, stream, source, progress).Run();
}

absl::Status SendTree(const CancelToken& cancel, Stream& stream, const std::string& root, const WalkOptions& options, const std::function<void(int64_t)>& progress) {
  BK_TRY(os::RootDir dir, os::RootDir::Open(root));
  BK_TRY(PathFilter filter, PathFilter::Create(root, options));
  TreeSource source;
  source.walk = [&](const std::function<absl::Status(Stat&)>& visit) { return Walk(cancel, root, options, visit); };
  source.open = [&](const std::string& path) -> absl::StatusOr<int> {
    BK_TRY(bool passes, filter.Passes(path));
    if (!passes) return NotFound("open ", path, ": no such file or directory");
    BK_TRY(os::UniqueFd fd, dir.OpenAt(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK));
    return fd.Release();
  };
  return SendTree(cancel, stream, source, progress);
}

}  // namespace bk::fsutil
