// Records from a mounted tree: names and kinds now, digests when they are asked for.
#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <memory>

#include "base/path.h"
#include "daemon/cache/contenthash/tree.h"

namespace bk::contenthash {
namespace {

constexpr int kMaxLinks = 255;

std::string WithSlash(const std::string& path) { return path.ends_with('/') ? path : path + "/"; }

// Where `path` leads to in the file system; the links passed go to `found`.
absl::StatusOr<std::string> ResolveOnDisk(const os::RootDir& root, const std::string& path, bool follow_trailing, Records& found) {
  std::string current, rest = path;
  int links = 0;
  while (!rest.empty()) {
    if (rest.ends_with('/')) rest.pop_back();
    size_t slash = rest.find('/');
    std::string part = rest.substr(0, slash);
    rest = slash == std::string::npos ? "" : rest.substr(slash + 1);
    std::string next = CleanPath(StrCat("/", current, "/", part));
    if (next == "/") {
      current.clear();
      continue;
    }
    auto st = root.Lstat(next);
    if (!st.ok() && st.status().code() != absl::StatusCode::kNotFound) {
      // The text is Go's, with the joined path as the reference spells it.
      std::string text = Message(st.status());
      return bk::Error(st.status().code(), "lstat ", root.path(), "/", next, ": ", text.substr(text.rfind(": ") + 2));
    }
    if (!st.ok() || !S_ISLNK(st->st_mode) || (!follow_trailing && rest.empty())) {
      current = next;
      continue;
    }
    if (++links > kMaxLinks) return Unknown("too many links");
    BK_TRY(std::string target, root.ReadLink(next));
    found[KeyOf(next)] = {RecordType::kSymlink, "", target, 0};
    rest = StrCat(target, "/", rest);
    if (IsAbsolutePath(target)) current.clear();
  }
  return current.empty() ? "/" : current;
}

// The entries of one directory; directories among them go to `pending` too.
absl::Status ScanDirectory(const os::RootDir& root, const std::string& path, Records& found, std::vector<std::string>& pending) {
  BK_TRY(os::UniqueFd fd, root.OpenAt(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW));
  std::unique_ptr<DIR, int (*)(DIR*)> stream(fdopendir(dup(fd.get())), &closedir);
  if (stream == nullptr) return ErrnoError(errno, StrCat("failed to walk ", path));
  for (errno = 0; dirent* entry = readdir(stream.get()); errno = 0) {
    std::string name = entry->d_name;
    if (name == "." || name == "..") continue;
    struct stat st;
    if (fstatat(fd.get(), name.c_str(), &st, AT_SYMLINK_NOFOLLOW) < 0) return ErrnoError(errno, StrCat("failed to walk ", path, "/", name));
    std::string child = StrCat(path, "/", name), key = KeyOf(child);
    Record& record = found[key];
    if (S_ISDIR(st.st_mode)) {
      pending.push_back(child);
      record.type = RecordType::kDir;
      found[key + '\0'].type = RecordType::kDirHeader;
    } else if (S_ISLNK(st.st_mode)) {
      record.type = RecordType::kSymlink;
      BK_ASSIGN(record.linkname, root.ReadLink(child));
    }
  }
  if (errno != 0) return ErrnoError(errno, StrCat("failed to walk ", path));
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<bool> HashTree::NeedsScan(const std::string& path, bool follow_trailing) {
  // Ancestors come first: a missing name below a directory that was scanned is really missing.
  std::vector<std::string> scanned;
  bool covered = false;
  auto visit = [&](const std::string& step, const Record* record) {
    std::string directory = WithSlash(step);
    if (record != nullptr) {
      covered = record->type != RecordType::kSymlink;
      scanned.push_back(directory);
    } else {
      covered = std::any_of(scanned.begin(), scanned.end(), [&](const std::string& parent) { return directory.starts_with(parent); });
    }
  };
  BK_TRY(Found found, Follow(KeyOf(path), follow_trailing, visit));
  return found.record == nullptr && !covered;
}

absl::Status HashTree::Scan(const CancelToken& cancel, const RootOpener& open_root, const std::string& path, bool follow_trailing) {
  BK_TRY(const os::RootDir* root, open_root());
  Records found;  // becomes visible as a whole: half a directory would give a wrong digest later
  BK_TRY(std::string resolved, ResolveOnDisk(*root, path.empty() ? "/" : path, follow_trailing, found));
  // The directory that holds the path, with everything below it.
  std::string top = RecordPath(DirName(resolved));
  auto st = root->Lstat(top);
  if (!st.ok() && st.status().code() != absl::StatusCode::kNotFound) return st.status();
  std::vector<std::string> pending;
  if (st.ok() && S_ISDIR(st->st_mode)) {
    found[KeyOf(top)].type = RecordType::kDir;
    found[KeyOf(top) + '\0'].type = RecordType::kDirHeader;
    pending.push_back(top);
  } else if (st.ok()) {
    found[KeyOf(top)].type = RecordType::kFile;
  }
  while (!pending.empty()) {
    BK_RETURN_IF_ERROR(cancel.Check());
    std::string directory = std::move(pending.back());
    pending.pop_back();
    BK_RETURN_IF_ERROR(ScanDirectory(*root, directory, found, pending));
  }
  records_.merge(found);  // known records stay: a transfer may have described them better than the disk can
  return absl::OkStatus();
}

}  // namespace bk::contenthash
