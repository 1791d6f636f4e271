#include "proto/fsutil/sender.h"

#include <fcntl.h>
#include <unistd.h>

#include <map>

#include "base/os/file.h"
#include "base/os/root_path.h"

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
    absl::Status listed = List();
    if (!listed.ok() && !ended_) {
      // The peer learns why, and ends the stream: to break it here would overtake the packet.
      Packet packet;
      packet.set_type(Packet::PACKET_ERR);
      packet.set_data(Message(listed));
      Send(packet).IgnoreError();
      stream_.Flush().IgnoreError();
      while (stream_.Receive(received_).value_or(false)) {
      }
    }
    while (listed.ok() && !finished_) listed = Answer();
    BK_RETURN_IF_ERROR(cancel_.Check());
    return listed;
  }

 private:
  absl::Status Send(const Packet& packet) {
    BK_RETURN_IF_ERROR(stream_.Send(packet));
    if (!packet.has_stat() && packet.data().empty()) return absl::OkStatus();
    sent_ += static_cast<int64_t>(packet.ByteSizeLong());
    if (progress_) progress_(sent_);
    return absl::OkStatus();
  }

  absl::Status List() {
    uint32_t id = 0;
    Packet packet;
    packet.set_type(Packet::PACKET_STAT);
    BK_RETURN_IF_ERROR(source_.walk([&](Stat& stat) -> absl::Status {
      BK_RETURN_IF_ERROR(cancel_.Check());
      // Also hard links can be asked for, although no receiver does.
      if (IsRegular(stat)) files_.emplace_hint(files_.end(), id, stat.path());
      id++;
      packet.mutable_stat()->Swap(&stat);
      BK_RETURN_IF_ERROR(Send(packet));
      // Files are sent meanwhile.
      while (stream_.Pending() && !finished_) {
        absl::Status answered = Answer();
        ended_ = !answered.ok();
        BK_RETURN_IF_ERROR(answered);
      }
      return absl::OkStatus();
    }));
    packet.clear_stat();
    return Send(packet);
  }

  // What the receiver says next.
  absl::Status Answer() {
    BK_TRY(bool more, stream_.Receive(received_));
    if (!more) return Unknown("EOF");
    switch (received_.type()) {
      case Packet::PACKET_REQ: return SendFile(received_.id());
      case Packet::PACKET_ERR: return Unknown("error from receiver: ", received_.data());
      case Packet::PACKET_FIN: {
        finished_ = true;
        Packet fin;
        fin.set_type(Packet::PACKET_FIN);
        BK_RETURN_IF_ERROR(Send(fin));
        return stream_.Flush();
      }
      default: return absl::OkStatus();
    }
  }

  absl::Status SendFile(uint32_t id) {
    auto it = files_.find(id);
    if (it == files_.end()) return InvalidArgument("invalid file id ", id);
    std::string path = std::move(it->second);
    files_.erase(it);  // a file can be asked for once
    Packet packet;
    packet.set_type(Packet::PACKET_DATA);
    packet.set_id(id);
    // A file that vanished since it was listed arrives empty.
    auto opened = source_.open(path);
    if (!opened.ok() && !absl::IsNotFound(opened.status())) return opened.status();
    if (opened.ok()) {
      os::UniqueFd fd(*opened);
      while (true) {
        ssize_t n = read(fd.get(), buffer_.data(), buffer_.size());
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return ErrnoError(errno, StrCat("read ", path));
        if (n == 0) break;
        packet.set_data(buffer_.data(), static_cast<size_t>(n));
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
  int64_t sent_ = 0;
  std::map<uint32_t, std::string> files_;  // listed and not asked for yet
  Packet received_;
  std::string buffer_ = std::string(kPieceBytes, '\0');
  bool ended_ = false;     // by the receiver
  bool finished_ = false;  // FIN came
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
