#include "tests/golden/layers/tree.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <sys/xattr.h>
#include <unistd.h>
#include <zlib.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <ctime>
#include <map>

#include "base/digest.h"
#include "base/os/file.h"

namespace bk::golden::layers {
namespace {

// "SECONDS[.NNNNNNNNN]", also negative.
timespec ParseTime(const std::string& text) {
  size_t dot = text.find('.');
  timespec time{std::stoll(text.substr(0, dot)), 0};
  if (dot != std::string::npos) time.tv_nsec = std::stol((text.substr(dot + 1) + "000000000").substr(0, 9));
  return time;
}

std::string FormatTime(const timespec& time) {
  char text[64];
  std::snprintf(text, sizeof text, time.tv_nsec == 0 ? "%lld" : "%lld.%09ld", static_cast<long long>(time.tv_sec), time.tv_nsec);
  return text;
}

mode_t Mode(const Json& op) { return static_cast<mode_t>(std::stoul(op["mode"].get<std::string>(), nullptr, 8)); }

std::string Content(const Json& op) {
  if (op.contains("fill")) return std::string(op["fill"]["len"].get<size_t>(), static_cast<char>(op["fill"]["byte"].get<int>()));
  return Bytes(op, "data");
}

int WriteInto(const std::string& path, int flags, const Json& op) {
  os::UniqueFd fd(open(path.c_str(), flags | O_WRONLY | O_CLOEXEC | O_NOFOLLOW, 0644));
  if (!fd) return -1;
  if (op.contains("sparse_size")) {
    if (ftruncate(fd.get(), op["sparse_size"].get<int64_t>()) < 0) return -1;
    if (lseek(fd.get(), op.value("offset", int64_t{0}), SEEK_SET) < 0) return -1;
  }
  return os::WriteAll(fd.get(), Content(op)).ok() ? 0 : -1;
}

int MakeSocket(const std::string& path) {
  // Through the directory's descriptor: socket addresses are short.
  os::UniqueFd dir(open(os::DirName(path).c_str(), O_PATH | O_CLOEXEC));
  os::UniqueFd fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::snprintf(address.sun_path, sizeof address.sun_path, "/proc/self/fd/%d/%s", dir.get(), os::BaseName(path).c_str());
  return bind(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address);
}

int Perform(const std::string& root, const std::string& path, const std::string& op, const Json& args) {
  if (op == "mkdir") return mkdir(path.c_str(), 0755);
  if (op == "file") return WriteInto(path, O_CREAT | O_EXCL, args);
  if (op == "write") return WriteInto(path, O_TRUNC, args);
  if (op == "append") return WriteInto(path, O_APPEND, args);
  if (op == "symlink") return symlink(Bytes(args, "target").c_str(), path.c_str());
  if (op == "link") return link((root + Bytes(args, "target")).c_str(), path.c_str());
  if (op == "mknod") return mknod(path.c_str(), (args["dev"] == "c" ? S_IFCHR : S_IFBLK) | 0644, makedev(args["major"].get<unsigned>(), args["minor"].get<unsigned>()));
  if (op == "fifo") return mkfifo(path.c_str(), 0644);
  if (op == "socket") return MakeSocket(path);
  if (op == "chmod" || op == "chown" || op == "utimes") return 0;  // done by the attributes
  if (op == "setxattr") {
    std::string value = Bytes(args, "value");
    return lsetxattr(path.c_str(), args["name"].get<std::string>().c_str(), value.data(), value.size(), 0);
  }
  if (op == "removexattr") return lremovexattr(path.c_str(), args["name"].get<std::string>().c_str());
  if (op == "remove") return remove(path.c_str());
  if (op == "rmtree") return os::RemoveAll(path).ok() ? 0 : -1;
  if (op == "rename") return rename(path.c_str(), (root + Bytes(args, "to")).c_str());
  errno = ENOSYS;
  return -1;
}

absl::Status RunOp(const std::string& root, const Json& args) {
  std::string op = args["op"], path = root + Bytes(args, "path");
  auto fail = [&] { return ErrnoError(errno, StrCat(op, " ", path)); };
  if (Perform(root, path, op, args) < 0) return fail();
  if (args.contains("uid") && lchown(path.c_str(), args["uid"].get<uid_t>(), args["gid"].get<gid_t>()) < 0) return fail();
  if (args.contains("mode") && chmod(path.c_str(), Mode(args)) < 0) return fail();
  if (args.contains("mtime")) {
    timespec time = ParseTime(args["mtime"]);
    timespec times[2] = {time, time};
    if (utimensat(AT_FDCWD, path.c_str(), times, AT_SYMLINK_NOFOLLOW) < 0) return fail();
  }
  return absl::OkStatus();
}

bool IsUtf8(const std::string& text) {
  try {
    (void)Json(text).dump();
    return true;
  } catch (const std::exception&) {
    return false;
  }
}

void SetText(Json& entry, const std::string& key, const std::string& bytes) {
  if (IsUtf8(bytes)) {
    entry[key] = bytes;
  } else {
    entry[key + "_b64"] = Base64Encode(bytes);
  }
}

// What a layer can carry; markers of overlays are read apart.
Json Attributes(const std::string& path) {
  Json all = Json::object();
  char names[65536], value[65536];
  ssize_t size = llistxattr(path.c_str(), names, sizeof names);
  for (ssize_t at = 0; at < size; at += static_cast<ssize_t>(strlen(names + at)) + 1) {
    std::string name = names + at;
    if (name.starts_with("trusted.")) continue;
    ssize_t n = lgetxattr(path.c_str(), name.c_str(), value, sizeof value);
    if (n >= 0) all[name] = Base64Encode({value, static_cast<size_t>(n)});
  }
  return all;
}

Json ReadEntry(const std::string& root, const std::string& path, std::map<std::pair<dev_t, ino_t>, std::string>& inodes) {
  Json entry;
  SetText(entry, "path", path);
  std::string full = root + path;
  struct stat st;
  if (lstat(full.c_str(), &st) < 0) {
    entry["type"] = "unreachable";
    return entry;
  }
  char mode[16];
  std::snprintf(mode, sizeof mode, "%04o", st.st_mode & 07777);
  entry["mode"] = mode;
  entry["uid"] = st.st_uid;
  entry["gid"] = st.st_gid;
  entry["mtime"] = FormatTime(st.st_mtim);
  if (!S_ISDIR(st.st_mode) && st.st_nlink > 1) {
    auto [first, fresh] = inodes.try_emplace({st.st_dev, st.st_ino}, path);
    if (!fresh) entry["hardlink_of"] = first->second;
  }
  if (Json xattrs = Attributes(full); !xattrs.empty()) entry["xattrs"] = xattrs;
  switch (st.st_mode & S_IFMT) {
    case S_IFDIR: entry["type"] = "dir"; break;
    case S_IFLNK:
      entry["type"] = "symlink";
      SetText(entry, "target", os::ReadLink(full).value_or(""));
      break;
    case S_IFREG: {
      entry["type"] = "file";
      entry["size"] = st.st_size;
      std::string data = os::ReadFile(full).value_or("");
      entry["sha256"] = DigestOf(data).hex();
      SetText(entry, "data", data);
      break;
    }
    case S_IFIFO: entry["type"] = "fifo"; break;
    case S_IFSOCK: entry["type"] = "socket"; break;
    default:
      entry["type"] = S_ISCHR(st.st_mode) ? "char" : "block";
      entry["dev"] = StrCat(major(st.st_rdev), ":", minor(st.st_rdev));
  }
  return entry;
}

std::string PathText(const Json& entry) { return Bytes(entry, "path"); }

absl::Status ExpectEntry(const std::string& what, const Json& got, const Json& want) {
  for (const auto& [key, value] : want.items()) {
    if (key == "mtime" && value == "now") {
      if (std::stoll(got["mtime"].get<std::string>()) + 600 < time(nullptr)) return Unknown(what, ": time ", got["mtime"].get<std::string>(), ", want now");
      continue;
    }
    if (!got.contains(key)) return Unknown(what, ": no ", key, " in ", got.dump(-1, ' ', false, Json::error_handler_t::replace));
    BK_RETURN_IF_ERROR(ExpectJson(StrCat(what, " ", key), got[key], value));
  }
  for (const char* key : {"hardlink_of", "xattrs"}) {
    if (got.contains(key) && !want.contains(key)) return Unknown(what, ": unexpected ", std::string_view(key), " ", got[key].dump());
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status RunOps(const std::string& root, const Json& ops) {
  mode_t old = umask(022);
  absl::Status status;
  for (const Json& op : ops) {
    if (status.ok()) status = RunOp(root, op);
  }
  umask(old);
  return status;
}

absl::StatusOr<Json> ReadTree(const std::string& root) {
  std::vector<std::string> pending = {""}, paths;
  while (!pending.empty()) {
    std::string dir = pending.back();
    pending.pop_back();
    auto names = os::ListDir(root + dir);
    if (!names.ok()) return names.status();
    for (const std::string& name : *names) {
      std::string path = StrCat(dir, "/", name);
      paths.push_back(path);
      struct stat st;
      if (lstat((root + path).c_str(), &st) == 0 && S_ISDIR(st.st_mode)) pending.push_back(path);
    }
  }
  std::sort(paths.begin(), paths.end());
  std::map<std::pair<dev_t, ino_t>, std::string> inodes;
  Json tree = Json::array();
  for (const std::string& path : paths) tree.push_back(ReadEntry(root, path, inodes));
  return tree;
}

absl::Status ExpectTree(const std::string& what, const std::string& root, const Json& want) {
  BK_TRY(Json got, ReadTree(root));
  std::map<std::string, Json> by_path;
  for (const Json& entry : got) by_path[PathText(entry)] = entry;
  for (const Json& entry : want) {
    std::string path = PathText(entry);
    auto it = by_path.find(path);
    if (it == by_path.end()) return Unknown(what, ": missing ", path);
    BK_RETURN_IF_ERROR(ExpectEntry(StrCat(what, ": ", path), it->second, entry));
    by_path.erase(it);
  }
  return by_path.empty() ? absl::OkStatus() : Unknown(what, ": unexpected ", by_path.begin()->first);
}

absl::StatusOr<std::string> Gunzip(const std::string& base64) {
  BK_TRY(std::string packed, Base64Decode(base64));
  z_stream stream{};
  if (inflateInit2(&stream, 15 + 16) != Z_OK) return Internal("inflateInit2");
  stream.next_in = reinterpret_cast<Bytef*>(packed.data());
  stream.avail_in = static_cast<uInt>(packed.size());
  std::string out;
  char buffer[65536];
  int result;
  do {
    stream.next_out = reinterpret_cast<Bytef*>(buffer);
    stream.avail_out = sizeof buffer;
    result = inflate(&stream, Z_NO_FLUSH);
    out.append(buffer, sizeof buffer - stream.avail_out);
  } while (result == Z_OK);
  inflateEnd(&stream);
  return result == Z_STREAM_END ? absl::StatusOr<std::string>(out) : Internal("bad gzip data in a case");
}

}  // namespace bk::golden::layers
