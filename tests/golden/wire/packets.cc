#include "tests/golden/wire/packets.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/os/file.h"
#include "base/digest.h"
#include "base/unicode.h"

namespace bk::golden::wire {
namespace {

bool IsValidUtf8(const std::string& text) { return ValidUtf8(text) == text; }

// Attribute values lost their non-UTF-8 bytes when the cases were written: U+FFFD stands for 0xff.
std::string AttributeValue(std::string text) {
  for (size_t at; (at = text.find("\xef\xbf\xbd")) != std::string::npos;) text.replace(at, 3, "\xff");
  return text;
}

constexpr int64_t kDefaultTime = 1735787045123456789;

std::string Content(const Json& node) {
  std::string out(node.value("hole", size_t{0}), '\0');
  if (node.contains("ramp")) {
    size_t start = node["ramp"], size = node["len"];
    for (size_t i = 0; i < size; i++) out += static_cast<char>((start + i) % 251);
  }
  return node.contains("text") ? out + Text(node["text"]) : out;
}

absl::Status SetTimes(const std::string& path, int64_t ns) {
  timespec times[2] = {{ns / 1'000'000'000, ns % 1'000'000'000}, {ns / 1'000'000'000, ns % 1'000'000'000}};
  return utimensat(AT_FDCWD, path.c_str(), times, AT_SYMLINK_NOFOLLOW) < 0 ? ErrnoError(errno, path) : absl::OkStatus();
}

absl::Status MakeSocket(const std::string& path) {
  os::UniqueFd fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  path.copy(address.sun_path, sizeof address.sun_path - 1);
  return bind(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) < 0 ? ErrnoError(errno, path) : absl::OkStatus();
}

absl::Status MakeNode(const std::string& root, const std::string& path, const Json& node) {
  std::string type = node["type"];
  mode_t mode = node.value("mode", 0u);
  dev_t device = makedev(node.value("major", 0u), node.value("minor", 0u));
  int made = 0;
  if (type == "file") {
    BK_RETURN_IF_ERROR(os::WriteFile(path, Content(node), 0600));
  } else if (type == "dir") {
    BK_RETURN_IF_ERROR(os::MakeDirs(path, 0755));
  } else if (type == "symlink") {
    made = symlink(Text(node["target"]).c_str(), path.c_str());
  } else if (type == "hardlink") {
    return link((root + "/" + Text(node["target"])).c_str(), path.c_str()) < 0 ? ErrnoError(errno, path) : absl::OkStatus();
  } else if (type == "fifo") {
    made = mkfifo(path.c_str(), 0600);
  } else if (type == "char") {
    made = mknod(path.c_str(), S_IFCHR | 0600, device);
  } else if (type == "block") {
    made = mknod(path.c_str(), S_IFBLK | 0600, device);
  } else if (type == "socket") {
    BK_RETURN_IF_ERROR(MakeSocket(path));
  } else {
    return InvalidArgument("unknown node type ", type);
  }
  if (made < 0) return ErrnoError(errno, path);
  if (lchown(path.c_str(), node.value("uid", 0u), node.value("gid", 0u)) < 0) return ErrnoError(errno, path);
  if (type != "symlink" && chmod(path.c_str(), mode) < 0) return ErrnoError(errno, path);
  Json attributes = node.value("xattrs", Json::object());
  for (const auto& [key, value] : attributes.items()) {
    std::string bytes = AttributeValue(Text(value));
    if (lsetxattr(path.c_str(), key.c_str(), bytes.data(), bytes.size(), 0) < 0) return ErrnoError(errno, path);
  }
  return absl::OkStatus();
}

}  // namespace

void Channel::End() {
  state.Change([](State& s) { s.ended = true; });
}
void Channel::Break() {
  state.Change([](State& s) { s.broken = true; });
}

absl::Status PipeStream::Send(const fsutil::Packet& packet) {
  if (before_send) before_send(packet);
  return out_->state.Change([&](Channel::State& s) -> absl::Status {
    if (s.broken) return Unavailable("the pipe is broken");
    s.queue.push_back(packet);
    out_->sent.push_back(packet);
    return absl::OkStatus();
  });
}

absl::StatusOr<bool> PipeStream::Receive(fsutil::Packet& packet) {
  return in_->state.WaitThen([](Channel::State& s) { return !s.queue.empty() || s.ended || s.broken; },
                             [&](Channel::State& s) -> absl::StatusOr<bool> {
                               if (s.broken) return Cancelled("context canceled");
                               if (s.queue.empty()) return false;
                               packet = std::move(s.queue.front());
                               s.queue.pop_front();
                               return true;
                             });
}

absl::Status PipeStream::Finish() {
  out_->End();
  return absl::OkStatus();
}

void PipeStream::Cancel() {
  out_->Break();
  in_->Break();
}

absl::Status MakeTree(const std::string& root, const Json& nodes) {
  std::vector<std::pair<std::string, int64_t>> times;
  for (const Json& node : nodes) {
    std::string path = root + "/" + Text(node["path"]);
    for (size_t slash = path.find('/', root.size() + 1); slash != std::string::npos; slash = path.find('/', slash + 1)) {
      if (mkdir(path.substr(0, slash).c_str(), 0755) == 0) times.emplace_back(path.substr(0, slash), kDefaultTime);
    }
    BK_RETURN_IF_ERROR(MakeNode(root, path, node));
    times.emplace_back(path, node.value("mtime_ns", kDefaultTime));
  }
  for (auto it = times.rbegin(); it != times.rend(); ++it) BK_RETURN_IF_ERROR(SetTimes(it->first, it->second));
  return absl::OkStatus();
}

Json TextOrBase64(const std::string& bytes) {
  if (IsValidUtf8(bytes)) return bytes;
  return {{"b64", Base64Encode(bytes)}};
}

Json StatJson(const fsutil::Stat& stat) {
  Json out = Json::object();
  auto number = [&](const char* key, int64_t value) {
    if (value != 0) out[key] = std::to_string(value);
  };
  if (!stat.path().empty()) out["path"] = TextOrBase64(stat.path());
  if (stat.mode() != 0) out["mode"] = stat.mode();
  if (stat.uid() != 0) out["uid"] = stat.uid();
  if (stat.gid() != 0) out["gid"] = stat.gid();
  number("size", stat.size());
  number("modTime", stat.modtime());
  number("devmajor", stat.devmajor());
  number("devminor", stat.devminor());
  if (!stat.linkname().empty()) out["linkname"] = TextOrBase64(stat.linkname());
  for (const auto& [key, value] : stat.xattrs()) {
    out["xattrs"][key] = {{"b64", Base64Encode(value)}};
  }
  return out;
}

void NormalizeAttributes(Json& value) {
  if (value.is_array()) {
    for (Json& item : value) NormalizeAttributes(item);
  }
  if (!value.is_object()) return;
  for (auto& [key, member] : value.items()) {
    if (key != "xattrs") {
      NormalizeAttributes(member);
      continue;
    }
    for (auto& [name, attribute] : member.items()) {
      if (attribute.contains("text")) attribute = {{"b64", Base64Encode(attribute["text"].get<std::string>())}};
    }
  }
}

Json PacketJson(const fsutil::Packet& packet) {
  Json out = Json::object();
  out["type"] = fsutil::Packet::PacketType_Name(packet.type());
  if (packet.has_stat()) out["stat"] = StatJson(packet.stat());
  if (packet.id() != 0) out["ID"] = packet.id();
  if (!packet.data().empty()) out["data"] = IsValidUtf8(packet.data()) ? Json{{"text", packet.data()}} : Json{{"b64", Base64Encode(packet.data())}};
  return out;
}

}  // namespace bk::golden::wire
