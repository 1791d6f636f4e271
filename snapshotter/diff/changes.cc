#include "snapshotter/diff/changes.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <optional>
#include <vector>

#include "base/os/file.h"
#include "snapshotter/diff/layer_writer.h"

namespace bk::diff {
namespace {

std::optional<struct stat> Lstat(const std::string& path) {
  struct stat st;
  if (lstat(path.c_str(), &st) < 0) return std::nullopt;
  return st;
}

std::string Capability(const std::string& path) {
  char value[1024];
  ssize_t n = lgetxattr(path.c_str(), "security.capability", value, sizeof value);
  return n > 0 ? std::string(value, static_cast<size_t>(n)) : "";
}

absl::StatusOr<bool> SameContent(const std::string& a, const std::string& b) {
  BK_TRY(os::UniqueFd first, os::Open(a, O_RDONLY | O_NOFOLLOW));
  BK_TRY(os::UniqueFd second, os::Open(b, O_RDONLY | O_NOFOLLOW));
  std::vector<char> left(64 << 10), right(64 << 10);
  while (true) {
    ssize_t n = read(first.get(), left.data(), left.size());
    if (n < 0) return ErrnoError(errno, StrCat("read ", a));
    ssize_t done = 0;
    while (done < n) {
      ssize_t m = read(second.get(), right.data() + done, static_cast<size_t>(n - done));
      if (m < 0) return ErrnoError(errno, StrCat("read ", b));
      if (m == 0) return false;
      done += m;
    }
    if (n == 0) {
      char more;
      return read(second.get(), &more, 1) == 0;
    }
    if (std::memcmp(left.data(), right.data(), static_cast<size_t>(n)) != 0) return false;
  }
}

// containerd's sameDirent: finding 3 of the golden layers.
absl::StatusOr<bool> SameEntry(const std::string& lower, const struct stat& a, const std::string& upper, const struct stat& b) {
  if (a.st_dev == b.st_dev && a.st_ino == b.st_ino) return true;
  if (a.st_mode != b.st_mode || a.st_uid != b.st_uid || a.st_gid != b.st_gid || a.st_rdev != b.st_rdev) return false;
  if (Capability(lower) != Capability(upper)) return false;
  if (S_ISDIR(a.st_mode)) return true;
  if (a.st_size != b.st_size || a.st_mtim.tv_sec != b.st_mtim.tv_sec) return false;
  if (a.st_mtim.tv_nsec == 0 && b.st_mtim.tv_nsec == 0) {
    // Times cut to seconds (an extracted layer) prove nothing.
    if (S_ISLNK(a.st_mode)) {
      BK_TRY(std::string left, os::ReadLink(lower));
      BK_TRY(std::string right, os::ReadLink(upper));
      return left == right;
    }
    if (a.st_size == 0 || !S_ISREG(a.st_mode)) return true;
    return SameContent(lower, upper);
  }
  return a.st_mtim.tv_nsec == b.st_mtim.tv_nsec;
}

// Compares two trees below `prefix` in path order (names compared component by component).
class Walker {
 public:
  Walker(const CancelToken& cancel, std::string lower, std::string upper, LayerWriter& writer)
      : cancel_(cancel), lower_(std::move(lower)), upper_(std::move(upper)), writer_(writer) {}

  absl::Status Dir(const std::string& path, bool in_lower, bool in_upper) {
    BK_RETURN_IF_ERROR(cancel_.Check());
    std::vector<std::string> below, above;
    if (in_lower) BK_ASSIGN(below, os::ListDir(lower_ + path));
    if (in_upper) BK_ASSIGN(above, os::ListDir(upper_ + path));
    size_t i = 0, j = 0;
    while (i < below.size() || j < above.size()) {
      int order = i == below.size() ? 1 : j == above.size() ? -1 : below[i].compare(above[j]);
      const std::string& name = order <= 0 ? below[i] : above[j];
      BK_RETURN_IF_ERROR(Entry(StrCat(path == "/" ? "" : path, "/", name), order <= 0, order >= 0));
      if (order <= 0) i++;
      if (order >= 0) j++;
    }
    return absl::OkStatus();
  }

 private:
  absl::Status Entry(const std::string& path, bool in_lower, bool in_upper) {
    std::optional<struct stat> lower = in_lower ? Lstat(lower_ + path) : std::nullopt;
    std::optional<struct stat> upper = in_upper ? Lstat(upper_ + path) : std::nullopt;
    if (!upper) return lower ? writer_.Change(ChangeKind::kDelete, path, nullptr) : absl::OkStatus();
    ChangeKind kind = ChangeKind::kAdd;
    if (lower) {
      BK_TRY(bool same, SameEntry(lower_ + path, *lower, upper_ + path, *upper));
      kind = same ? ChangeKind::kUnmodified : ChangeKind::kModify;
    }
    // An unchanged file may be a further name of a changed one; an unchanged directory says nothing.
    if (kind != ChangeKind::kUnmodified || !S_ISDIR(upper->st_mode)) BK_RETURN_IF_ERROR(writer_.Change(kind, path, &*upper));
    if (!S_ISDIR(upper->st_mode)) return absl::OkStatus();
    return Dir(path, lower && S_ISDIR(lower->st_mode), true);
  }

  const CancelToken& cancel_;
  const std::string lower_, upper_;
  LayerWriter& writer_;
};

constexpr char kMarkerPrefix[] = ".wh.";

class OverlayWalker {
 public:
  OverlayWalker(const CancelToken& cancel, const DiffRequest& request, LayerWriter& writer) : cancel_(cancel), request_(request), writer_(writer) {}

  absl::Status Dir(const std::string& path) {
    BK_RETURN_IF_ERROR(cancel_.Check());
    BK_TRY(std::vector<std::string> names, os::ListDir(request_.overlay_upper + path));
    for (const std::string& name : names) BK_RETURN_IF_ERROR(Entry(StrCat(path == "/" ? "" : path, "/", name)));
    return absl::OkStatus();
  }

 private:
  absl::Status Entry(const std::string& path) {
    std::optional<struct stat> st = Lstat(request_.overlay_upper + path);
    if (!st) return absl::OkStatus();
    if (S_ISREG(st->st_mode) && IsMarkerFile(path)) return MarkerFile(path);
    std::optional<struct stat> base = request_.lower.empty() ? std::nullopt : Lstat(request_.lower + path);
    if (S_ISCHR(st->st_mode) && st->st_rdev == makedev(0, 0)) {
      return base ? writer_.Change(ChangeKind::kDelete, path, nullptr) : absl::OkStatus();
    }
    bool same = false;
    if (base) BK_ASSIGN(same, SameEntry(request_.lower + path, *base, request_.upper + path, *st));
    if (!same) BK_RETURN_IF_ERROR(writer_.Change(base ? ChangeKind::kModify : ChangeKind::kAdd, path, &*st));
    if (!S_ISDIR(st->st_mode)) return absl::OkStatus();
    if (base && IsOpaque(request_.overlay_upper + path)) {
      return Walker(cancel_, request_.lower, request_.upper, writer_).Dir(path, S_ISDIR(base->st_mode), true);
    }
    return Dir(path);
  }

  // fuse-overlayfs keeps some of its knowledge in files; its view does not show them.
  bool IsMarkerFile(const std::string& path) const {
    return os::BaseName(path).starts_with(kMarkerPrefix) && !Lstat(request_.upper + path);
  }
  absl::Status MarkerFile(const std::string& path) {
    std::string hidden = os::BaseName(path).substr(sizeof(kMarkerPrefix) - 1);
    if (hidden.empty() || hidden.starts_with(kMarkerPrefix)) return absl::OkStatus();  // of the directory itself: see IsOpaque
    std::string target = os::JoinPath(os::DirName(path), hidden);
    bool in_lower = !request_.lower.empty() && Lstat(request_.lower + target).has_value();
    return in_lower ? writer_.Change(ChangeKind::kDelete, target, nullptr) : absl::OkStatus();
  }

  static bool IsOpaque(const std::string& path) {
    for (const char* name : {"trusted.overlay.opaque", "user.overlay.opaque", "user.fuseoverlayfs.opaque"}) {
      char value[4];
      if (lgetxattr(path.c_str(), name, value, sizeof value) == 1 && value[0] == 'y') return true;
    }
    return false;
  }

  const CancelToken& cancel_;
  const DiffRequest& request_;
  LayerWriter& writer_;
};

}  // namespace

absl::Status WriteLayer(const CancelToken& cancel, const DiffRequest& request, const ByteSink& sink) {
  // Data and attributes are read through the merged view: the upper directory alone would show overlay's own attributes.
  LayerWriter writer(request.upper, sink);
  if (request.overlay_upper.empty()) {
    BK_RETURN_IF_ERROR(Walker(cancel, request.lower, request.upper, writer).Dir("/", !request.lower.empty(), true));
  } else {
    BK_RETURN_IF_ERROR(OverlayWalker(cancel, request, writer).Dir("/"));
  }
  return writer.Close();
}

}  // namespace bk::diff
