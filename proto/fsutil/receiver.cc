#include "proto/fsutil/receiver.h"

#include <map>
#include <vector>

#include "base/os/root_path.h"
#include "proto/fsutil/tree_writer.h"
#include "proto/fsutil/validator.h"
#include "proto/fsutil/walk.h"

namespace bk::fsutil {
namespace {

constexpr size_t kMaxMetadataBytes = 256 << 20;

bool SameEntry(const Stat& a, const Stat& b) {
  if (a.mode() != b.mode() || a.uid() != b.uid() || a.gid() != b.gid() || a.devmajor() != b.devmajor() || a.devminor() != b.devminor() || a.linkname() != b.linkname()) return false;
  return (a.mode() & kModeDir) != 0 || (a.modtime() == b.modtime() && a.size() == b.size());
}

class Receiver {
 public:
  Receiver(const CancelToken& cancel, Stream& stream, os::RootDir root, const ReceiveOptions& options)
      : cancel_(cancel), stream_(stream), writer_(std::move(root), options.observer, options.in_place), options_(options) {}

  absl::Status Run() {
    if (!options_.merge) {
      BK_RETURN_IF_ERROR(Walk(cancel_, writer_.root().path(), {}, [&](Stat& stat) -> absl::Status {
        std::string path = stat.path();
        existing_.emplace(std::move(path), std::move(stat));
        return absl::OkStatus();
      }));
    }
    CancelCallback stop(cancel_, [this] { stream_.Cancel(); });
    absl::Status status = Loop();
    if (!status.ok() && !finished_) {
      Packet packet;
      packet.set_type(Packet::PACKET_ERR);
      packet.set_data(Message(status));
      stream_.Send(packet).IgnoreError();
      stream_.Flush().IgnoreError();
    }
    // How the stream ends after FIN both ways does not matter: exporters break it off (trap 21).
    if (over_ && finished_) return absl::OkStatus();
    BK_RETURN_IF_ERROR(cancel_.Check());
    return status;
  }

 private:
  absl::Status Loop() {
    Packet packet;
    while (true) {
      BK_TRY(bool more, stream_.Receive(packet));
      if (!more) return over_ && finished_ ? absl::OkStatus() : Unknown("EOF");
      if (over_) continue;
      received_ += static_cast<int64_t>(packet.ByteSizeLong());
      if (options_.progress) options_.progress(received_);
      switch (packet.type()) {
        case Packet::PACKET_ERR: return Unknown("error from sender: ", packet.data());
        case Packet::PACKET_STAT: BK_RETURN_IF_ERROR(Listed(packet)); break;
        case Packet::PACKET_DATA: BK_RETURN_IF_ERROR(writer_.Data(packet.id(), packet.data())); break;
        case Packet::PACKET_FIN: over_ = true; break;
        default: break;
      }
      if (listed_ && !writer_.expects_data() && !finished_) BK_RETURN_IF_ERROR(Finish());
    }
  }

  absl::Status Listed(Packet& packet) {
    if (listed_) return InvalidArgument("unexpected STAT after the end of the list");
    if (packet.has_stat()) return Stated(next_id_++, *packet.mutable_stat());
    listed_ = true;
    return options_.merge ? absl::OkStatus() : RemoveRest();
  }

  absl::Status Stated(uint32_t id, Stat& stat) {
    BK_RETURN_IF_ERROR(validator_.Check(stat));
    if (!options_.metadata_exception) return Entry(id, stat);
    if (stat.path() == kMetadataFile) return absl::OkStatus();
    BK_RETURN_IF_ERROR(NoteMetadata(stat));
    while (!pending_.empty() && !stat.path().starts_with(pending_.back().path() + "/")) pending_.pop_back();
    if (!options_.metadata_exception(stat)) {
      if (stat.mode() & kModeDir) pending_.push_back(stat);
      return absl::OkStatus();
    }
    std::vector<Stat> parents = std::move(pending_);
    pending_.clear();
    for (Stat& parent : parents) BK_RETURN_IF_ERROR(Entry(0, parent));
    return Entry(id, stat);
  }

  absl::Status NoteMetadata(const Stat& stat) {
    std::string bytes = stat.SerializeAsString();
    if (metadata_.size() + bytes.size() > kMaxMetadataBytes) return ResourceExhausted("list of files is larger than ", kMaxMetadataBytes, " bytes");
    auto size = static_cast<uint32_t>(bytes.size());
    for (int shift = 0; shift < 32; shift += 8) metadata_ += static_cast<char>(size >> shift & 255);
    metadata_ += bytes;
    return absl::OkStatus();
  }

  absl::Status Entry(uint32_t id, const Stat& sent) {
    Stat stat = sent;
    if (options_.filter && !options_.filter(stat)) return absl::OkStatus();
    // Nobody else makes entries in a tree that is written in place.
    bool may_exist = options_.merge || !options_.in_place;
    if (auto known = existing_.find(stat.path()); known != existing_.end()) {
      bool same = options_.differ == Differ::kMetadata && SameEntry(known->second, stat);
      bool both_directories = (known->second.mode() & stat.mode() & kModeDir) != 0;
      existing_.erase(known);
      may_exist = true;
      if (same) {
        writer_.Unchanged(stat);
        return absl::OkStatus();
      }
      if (!both_directories) ForgetBelow(stat.path());
    }
    BK_TRY(bool wants_data, writer_.Write(id, stat, sent, may_exist));
    if (!wants_data) return absl::OkStatus();
    Packet request;
    request.set_type(Packet::PACKET_REQ);
    request.set_id(id);
    return stream_.Send(request);
  }

  void ForgetBelow(const std::string& path) {
    std::string prefix = path + "/";
    for (auto it = existing_.lower_bound(prefix); it != existing_.end() && it->first.starts_with(prefix);) it = existing_.erase(it);
  }

  // What the sender does not have goes, the top-most path of each tree being named.
  absl::Status RemoveRest() {
    while (!existing_.empty()) {
      std::string path = existing_.begin()->first;
      existing_.erase(existing_.begin());
      ForgetBelow(path);
      Stat gone;
      gone.set_path(path);
      if (options_.filter && !options_.filter(gone)) continue;
      BK_RETURN_IF_ERROR(writer_.Remove(path));
      if (options_.observer != nullptr) BK_RETURN_IF_ERROR(options_.observer->Deleted(path));
    }
    return absl::OkStatus();
  }

  // All data is there.
  absl::Status Finish() {
    BK_RETURN_IF_ERROR(writer_.Finish());
    if (options_.metadata_exception) BK_RETURN_IF_ERROR(writer_.WriteFile(kMetadataFile, metadata_));
    Packet fin;
    fin.set_type(Packet::PACKET_FIN);
    finished_ = true;
    return stream_.Send(fin);
  }

  const CancelToken& cancel_;
  Stream& stream_;
  TreeWriter writer_;
  const ReceiveOptions& options_;
  EntryValidator validator_;
  std::map<std::string, Stat> existing_;  // what is there and was not listed yet
  std::string metadata_;
  std::vector<Stat> pending_;  // directories above the current entry that were not wanted themselves
  uint32_t next_id_ = 0;
  bool listed_ = false, finished_ = false, over_ = false;  // over: the sender said FIN
  int64_t received_ = 0;
};

}  // namespace

absl::Status ReceiveTree(const CancelToken& cancel, Stream& stream, const std::string& dest, const ReceiveOptions& options) {
  BK_TRY(os::RootDir root, os::RootDir::Open(dest));
  return Receiver(cancel, stream, std::move(root), options).Run();
}

}  // namespace bk::fsutil
