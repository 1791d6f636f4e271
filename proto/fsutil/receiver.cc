#include "proto/fsutil/receiver.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <map>
#include <set>
#include <vector>

#include "base/id.h"
#include "base/os/file.h"
#include "base/os/root_path.h"
#include "proto/fsutil/walk.h"

namespace bk::fsutil {
namespace {

bool IsRegular(const Stat& stat) { return (stat.mode() & kModeType) == 0; }
bool IsHardLink(const Stat& stat) { return IsRegular(stat) && !stat.linkname().empty(); }

// Paths as the reference's validator wants them: clean, relative, parents first, in order.
class Validator {
 public:
  absl::Status Check(const Stat& stat) {
    const std::string& path = stat.path();
    std::string cleaned = os::CleanPath(path);
    if (path.empty() || path != cleaned || path[0] == '/' || path == ".." || path.starts_with("../")) return InvalidArgument("invalid unclean path ", path);
    if (path.find('\0') != std::string::npos) return InvalidArgument("invalid path with a NUL byte");
    if (!last_.empty() && ComparePaths(last_, path) >= 0) return InvalidArgument("changes out of order: ", Quote(path), " ", Quote(last_));
    size_t slash = path.rfind('/');
    if (slash != std::string::npos && !directories_.contains(path.substr(0, slash))) return InvalidArgument("parent of ", path, " is not a directory of this transfer");
    if (stat.mode() & kModeDir) directories_.insert(path);
    if (IsHardLink(stat) && !files_.contains(stat.linkname())) return InvalidArgument("invalid hard link ", path, " to ", stat.linkname());
    if (!(stat.mode() & kModeDir)) files_.insert(path);
    last_ = path;
    return absl::OkStatus();
  }

 private:
  std::string last_;
  std::set<std::string> directories_, files_;
};

bool SameEntry(const Stat& a, const Stat& b) {
  if (a.mode() != b.mode() || a.uid() != b.uid() || a.gid() != b.gid() || a.devmajor() != b.devmajor() || a.devminor() != b.devminor() || a.linkname() != b.linkname()) return false;
  if (a.mode() & kModeDir) return true;
  return a.modtime() == b.modtime() && (IsHardLink(a) || a.size() == b.size());
}

class Receiver {
 public:
  Receiver(const CancelToken& cancel, Stream& stream, os::RootDir root, const ReceiveOptions& options) : cancel_(cancel), stream_(stream), root_(std::move(root)), options_(options) {}

  absl::Status Run() {
    BK_RETURN_IF_ERROR(Walk(cancel_, root_.path(), {}, [&](Stat& stat) -> absl::Status {
      existing_[stat.path()] = stat;
      return absl::OkStatus();
    }));
    CancelCallback stop(cancel_, [this] { stream_.Cancel(); });
    absl::Status status = Loop();
    if (!status.ok()) {
      Packet packet;
      packet.set_type(Packet::PACKET_ERR);
      packet.set_data(Message(status));
      stream_.Send(packet).IgnoreError();
    }
    for (auto& [id, file] : open_) unlinkat(file.parent.fd.get(), file.temporary.c_str(), 0);
    BK_RETURN_IF_ERROR(cancel_.Check());
    return status;
  }

 private:
  struct File {  // being received
    Stat stat;
    os::RootDir::Parent parent;
    std::string temporary;
    os::UniqueFd fd;
  };

  absl::Status Loop() {
    Packet packet;
    uint32_t next_id = 0;
    bool listed = false;
    while (true) {
      BK_TRY(bool more, stream_.Receive(packet));
      if (!more) return DataLoss("unexpected EOF");
      switch (packet.type()) {
        case Packet::PACKET_ERR: return Unknown("error from sender: ", packet.data());
        case Packet::PACKET_STAT:
          if (listed) return InvalidArgument("unexpected STAT after the end of the list");
          if (!packet.has_stat()) {
            listed = true;
            BK_RETURN_IF_ERROR(EndOfList());
          } else {
            BK_RETURN_IF_ERROR(Entry(next_id++, *packet.mutable_stat()));
          }
          break;
        case Packet::PACKET_DATA: BK_RETURN_IF_ERROR(Data(packet)); break;
        case Packet::PACKET_FIN: return absl::OkStatus();
        default: break;
      }
      if (listed && open_.empty() && !finished_) {
        finished_ = true;
        BK_RETURN_IF_ERROR(Finish());
      }
    }
  }

  absl::Status Entry(uint32_t id, Stat& stat) {
    if (options_.filter && !options_.filter(stat)) return absl::OkStatus();
    BK_RETURN_IF_ERROR(validator_.Check(stat));
    auto known = existing_.find(stat.path());
    bool same = false;
    if (known != existing_.end()) {
      same = options_.differ == Differ::kMetadata && SameEntry(known->second, stat);
      bool both_dirs = (known->second.mode() & stat.mode() & kModeDir) != 0;
      bool replace = !same && !both_dirs;
      existing_.erase(known);
      if (replace) BK_RETURN_IF_ERROR(RemoveTree(stat.path()));
      if (same && !(stat.mode() & kModeDir)) return absl::OkStatus();
      if (both_dirs) {
        directories_.push_back(stat);
        return same ? absl::OkStatus() : SetOwnerAndMode(stat, stat.path());
      }
    }
    return Create(id, stat);
  }

  absl::Status RemoveTree(const std::string& path) {
    BK_TRY(os::RootDir::Parent parent, root_.OpenParent(path));
    std::string prefix = path + "/";
    for (auto it = existing_.lower_bound(prefix); it != existing_.end() && it->first.starts_with(prefix);) it = existing_.erase(it);
    return os::RemoveAll(StrCat("/proc/self/fd/", parent.fd.get(), "/", parent.name));
  }

  absl::Status Create(uint32_t id, const Stat& stat) {
    BK_TRY(os::RootDir::Parent parent, root_.OpenParent(stat.path()));
    int dir = parent.fd.get();
    const char* name = parent.name.c_str();
    mode_t mode = UnixMode(stat.mode());
    auto fail = [&](const char* what) { return ErrnoError(errno, StrCat(what, " ", stat.path())); };
    if (S_ISDIR(mode)) {
      if (mkdirat(dir, name, 0700) < 0 && errno != EEXIST) return fail("mkdir");
      directories_.push_back(stat);
      return SetOwnerAndMode(stat, stat.path());
    }
    if (IsHardLink(stat)) {
      hard_links_.push_back(stat);
      return absl::OkStatus();
    }
    if (S_ISREG(mode)) {
      File file{stat, std::move(parent), StrCat(".tmp.", NewId()), {}};
      file.fd = os::UniqueFd(openat(file.parent.fd.get(), file.temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
      if (!file.fd) return fail("create");
      open_.emplace(id, std::move(file));
      Packet request;
      request.set_type(Packet::PACKET_REQ);
      request.set_id(id);
      return stream_.Send(request);
    }
    if (S_ISLNK(mode)) {
      if (symlinkat(stat.linkname().c_str(), dir, name) < 0) return fail("symlink");
    } else if (mknodat(dir, name, mode, makedev(static_cast<unsigned>(stat.devmajor()), static_cast<unsigned>(stat.devminor()))) < 0) {
      return fail("mknod");
    }
    return SetAttributes(stat, parent, parent.name);
  }

  absl::Status Data(const Packet& packet) {
    auto it = open_.find(packet.id());
    if (it == open_.end()) return InvalidArgument("invalid file request ", packet.id());
    File& file = it->second;
    if (!packet.data().empty()) {
      received_ += static_cast<int64_t>(packet.data().size());
      if (options_.progress) options_.progress(received_);
      return os::WriteAll(file.fd.get(), packet.data());
    }
    file.fd.Reset();
    BK_RETURN_IF_ERROR(SetAttributes(file.stat, file.parent, file.temporary));
    if (renameat(file.parent.fd.get(), file.temporary.c_str(), file.parent.fd.get(), file.parent.name.c_str()) < 0) {
      return ErrnoError(errno, StrCat("rename ", file.stat.path()));
    }
    open_.erase(it);
    return absl::OkStatus();
  }

  absl::Status EndOfList() {
    if (options_.merge) return absl::OkStatus();
    while (!existing_.empty()) {
      std::string path = existing_.begin()->first;
      existing_.erase(existing_.begin());
      BK_RETURN_IF_ERROR(RemoveTree(path));
    }
    return absl::OkStatus();
  }

  // All data is there: links, times of directories (children first), FIN.
  absl::Status Finish() {
    for (const Stat& stat : hard_links_) {
      BK_TRY(os::RootDir::Parent target, root_.OpenParent(stat.linkname()));
      BK_TRY(os::RootDir::Parent parent, root_.OpenParent(stat.path()));
      if (linkat(target.fd.get(), target.name.c_str(), parent.fd.get(), parent.name.c_str(), 0) < 0) return ErrnoError(errno, StrCat("link ", stat.path()));
    }
    for (auto it = directories_.rbegin(); it != directories_.rend(); ++it) {
      BK_TRY(os::RootDir::Parent parent, root_.OpenParent(it->path()));
      BK_RETURN_IF_ERROR(SetAttributes(*it, parent, parent.name));
    }
    Packet fin;
    fin.set_type(Packet::PACKET_FIN);
    return stream_.Send(fin);
  }

  absl::Status SetOwnerAndMode(const Stat& stat, const std::string& path) {
    BK_TRY(os::RootDir::Parent parent, root_.OpenParent(path));
    if (fchownat(parent.fd.get(), parent.name.c_str(), stat.uid(), stat.gid(), AT_SYMLINK_NOFOLLOW) < 0) return ErrnoError(errno, StrCat("chown ", path));
    if (fchmodat(parent.fd.get(), parent.name.c_str(), UnixMode(stat.mode()) & 07777, 0) < 0) return ErrnoError(errno, StrCat("chmod ", path));
    return absl::OkStatus();
  }

  absl::Status SetAttributes(const Stat& stat, const os::RootDir::Parent& parent, const std::string& name) {
    int dir = parent.fd.get();
    std::string full = StrCat("/proc/self/fd/", dir, "/", name);
    mode_t mode = UnixMode(stat.mode());
    if (fchownat(dir, name.c_str(), stat.uid(), stat.gid(), AT_SYMLINK_NOFOLLOW) < 0) return ErrnoError(errno, StrCat("chown ", stat.path()));
    for (const auto& [key, value] : stat.xattrs()) {
      // An ordinary user cannot set everything that a file elsewhere had.
      if (lsetxattr(full.c_str(), key.c_str(), value.data(), value.size(), 0) < 0 && errno != EPERM && errno != EOPNOTSUPP) return ErrnoError(errno, StrCat("setxattr ", key, " of ", stat.path()));
    }
    if (!S_ISLNK(mode) && fchmodat(dir, name.c_str(), mode & 07777, 0) < 0) return ErrnoError(errno, StrCat("chmod ", stat.path()));
    int64_t seconds = stat.modtime() / 1'000'000'000, nanoseconds = stat.modtime() % 1'000'000'000;
    if (nanoseconds < 0) {
      seconds--;
      nanoseconds += 1'000'000'000;
    }
    timespec times[2] = {{seconds, nanoseconds}, {seconds, nanoseconds}};
    if (utimensat(dir, name.c_str(), times, AT_SYMLINK_NOFOLLOW) < 0) return ErrnoError(errno, StrCat("set times of ", stat.path()));
    return absl::OkStatus();
  }

  const CancelToken& cancel_;
  Stream& stream_;
  os::RootDir root_;
  const ReceiveOptions& options_;
  Validator validator_;
  std::map<std::string, Stat> existing_;
  std::map<uint32_t, File> open_;
  std::vector<Stat> directories_, hard_links_;
  bool finished_ = false;
  int64_t received_ = 0;
};

}  // namespace

absl::Status ReceiveTree(const CancelToken& cancel, Stream& stream, const std::string& dest, const ReceiveOptions& options) {
  BK_TRY(os::RootDir root, os::RootDir::Open(dest));
  return Receiver(cancel, stream, std::move(root), options).Run();
}

}  // namespace bk::fsutil
