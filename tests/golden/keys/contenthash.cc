// keys/contenthash: content checksums of trees on disk (kind tree), of trees known by changes alone (kind changes), of
// no tree at all (kind scratch). Trees are built as root.
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <cerrno>
#include <optional>

#include "base/os/file.h"
#include "daemon/cache/contenthash/entry.h"
#include "daemon/cache/contenthash/tree.h"
#include "tests/golden/keys/suites.h"

namespace bk::golden::keys {
namespace {

using contenthash::ChangeKind;
using contenthash::ChecksumOptions;
using contenthash::HashTree;

std::string Decoded(const Json& object, const char* key) {
  if (!object.contains(key)) return "";
  return Base64Decode(object[key].get<std::string>()).value_or("");
}

std::string Content(const Json& entry) {
  if (!entry.contains("gen")) return Decoded(entry, "content");
  int64_t seed = entry["gen"]["seed"], size = entry["gen"]["size"];
  std::string bytes(static_cast<size_t>(size), '\0');
  for (int64_t i = 0; i < size; i++) bytes[static_cast<size_t>(i)] = static_cast<char>((7 * i + 13 * (i >> 9) + seed) & 255);
  return bytes;
}

absl::Status MakeSocket(const std::string& path) {
  os::UniqueFd fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  path.copy(address.sun_path, sizeof address.sun_path - 1);
  return bind(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) < 0 ? ErrnoError(errno, path) : absl::OkStatus();
}

absl::Status MakeEntry(const std::string& root, const Json& entry) {
  std::string type = entry["type"], path = root + Text(entry["path"]);
  if (path.ends_with('/')) path.pop_back();
  mode_t mode = entry.value("mode", 0u);
  dev_t device = makedev(entry.value("major", 0u), entry.value("minor", 0u));
  int made = 0;
  if (type == "dir") {
    made = mkdir(path.c_str(), 0700) < 0 && errno != EEXIST ? -1 : 0;
  } else if (type == "file") {
    BK_RETURN_IF_ERROR(os::WriteFile(path, Content(entry), 0600));
  } else if (type == "symlink") {
    made = symlink(Text(entry["linkname"]).c_str(), path.c_str());
  } else if (type == "hardlink") {
    return link((root + Text(entry["linkname"])).c_str(), path.c_str()) < 0 ? ErrnoError(errno, path) : absl::OkStatus();
  } else if (type == "socket") {
    BK_RETURN_IF_ERROR(MakeSocket(path));
  } else {
    made = mknod(path.c_str(), 0600 | (type == "char" ? S_IFCHR : type == "block" ? S_IFBLK : S_IFIFO), device);
  }
  if (made < 0) return ErrnoError(errno, path);
  if (lchown(path.c_str(), entry.value("uid", 0u), entry.value("gid", 0u)) < 0) return ErrnoError(errno, path);
  if (type != "symlink" && chmod(path.c_str(), mode) < 0) return ErrnoError(errno, path);
  const Json xattrs = entry.value("xattrs", Json::object());
  for (const auto& [name, value] : xattrs.items()) {
    std::string bytes = Base64Decode(value.get<std::string>()).value_or("");
    if (lsetxattr(path.c_str(), name.c_str(), bytes.data(), bytes.size(), 0) < 0) return ErrnoError(errno, StrCat(path, " attribute ", name));
  }
  if (entry.contains("mtime")) {
    timespec times[2] = {{0, UTIME_OMIT}, {entry["mtime"].get<int64_t>(), 0}};
    utimensat(AT_FDCWD, path.c_str(), times, AT_SYMLINK_NOFOLLOW);
  }
  return absl::OkStatus();
}

std::vector<std::string> Strings(const Json& query, const char* key) {
  std::vector<std::string> all;
  const Json list = query.value(key, Json::array());
  for (const Json& text : list) all.push_back(Text(text));
  return all;
}

absl::Status CheckAnswer(const std::string& what, absl::StatusOr<Digest> got, const Json& want, const std::string& root) {
  if (!want.contains("error")) {
    if (!got.ok()) return Annotate(got.status(), what);
    return ExpectText(what, got->str(), want["digest"].get<std::string>());
  }
  if (got.ok()) return Unknown(what, ": got ", got->str(), ", want error ", want["error"].get<std::string>());
  std::string text = Message(got.status());
  if (size_t at = text.find(root); !root.empty() && at != std::string::npos) text.replace(at, root.size(), "$ROOT");
  return ExpectText(what, text, Text(want["error"]));
}

absl::Status Ask(HashTree& tree, const contenthash::RootOpener& opener, const Json& query, const Json& want, const std::string& root) {
  ChecksumOptions options;
  options.follow_links = query.value("follow_links", false);
  options.wildcard = query.value("wildcard", false);
  options.include_patterns = Strings(query, "include");
  options.exclude_patterns = Strings(query, "exclude");
  options.required_paths = Strings(query, "required");
  auto got = tree.Checksum(CancelToken::Never(), opener, Text(query["path"]), options);
  return CheckAnswer(query.dump(-1, ' ', false, Json::error_handler_t::replace).substr(0, 300), std::move(got), want, root);
}

// Cases of changes do not list link targets.
absl::Status CheckRecords(const HashTree& tree, const Json& want, bool with_links) {
  constexpr const char* kTypes[] = {"FILE", "DIR", "DIR_HEADER", "SYMLINK"};
  Json got = Json::array();
  for (const auto& [key, record] : tree.records()) {
    Json entry;
    if (!record.digest.empty()) entry["digest"] = record.digest;
    entry["key"] = contenthash::PathOf(key);
    if (with_links && !record.linkname.empty()) entry["linkname"] = record.linkname;
    entry["type"] = kTypes[static_cast<int>(record.type)];
    got.push_back(entry);
  }
  Json decoded = want;
  for (Json& entry : decoded) {
    entry["key"] = Text(entry["key"]);
    if (entry.contains("linkname")) entry["linkname"] = Text(entry["linkname"]);
  }
  if (got.size() != decoded.size()) return Unknown("records: got ", got.size(), ", want ", decoded.size());
  for (size_t i = 0; i < got.size(); i++) {
    if (got[i] != decoded[i]) return Unknown("record ", i, ": got ", got[i].dump(-1, ' ', false, Json::error_handler_t::replace), ", want ", decoded[i].dump(-1, ' ', false, Json::error_handler_t::replace));
  }
  return absl::OkStatus();
}

absl::Status CheckHeaders(const os::RootDir& root, const Json& headers) {
  for (const auto& [path, want] : headers.items()) {
    BK_TRY(fsutil::Stat stat, contenthash::StatEntry(root, path));
    BK_RETURN_IF_ERROR(ExpectText("header of " + path, HexEncode(contenthash::EntryHeader(stat)), want["header_hex"].get<std::string>()));
    BK_TRY(Digest digest, contenthash::HashEntry(CancelToken::Never(), root, path));
    BK_RETURN_IF_ERROR(ExpectText("digest of " + path, digest.str(), want["digest"].get<std::string>()));
  }
  return absl::OkStatus();
}

absl::Status RunTree(const Json& c) {
  BK_TRY(os::TempDir dir, os::TempDir::Make("contenthash-"));
  chmod(dir.path().c_str(), 0755);
  umask(0);
  for (const Json& entry : c["tree"]) BK_RETURN_IF_ERROR(MakeEntry(dir.path(), entry));
  BK_TRY(os::RootDir root, os::RootDir::Open(dir.path()));
  auto opener = [&]() -> absl::StatusOr<const os::RootDir*> { return &root; };
  HashTree sequence;
  for (const Json& query : c["queries"]) {
    HashTree fresh;
    BK_RETURN_IF_ERROR(Ask(fresh, opener, query, query, dir.path()));
    BK_RETURN_IF_ERROR(Annotate(Ask(sequence, opener, query, query.contains("after_earlier_queries") ? query["after_earlier_queries"] : query, dir.path()), "in sequence"));
    if (query.contains("after_earlier_queries")) continue;  // nothing was stored
    BK_TRY(HashTree again, HashTree::Decode(fresh.Encode()));
    BK_RETURN_IF_ERROR(Annotate(Ask(again, opener, query, query, dir.path()), "from stored records"));
  }
  if (c.contains("records_after_root_query")) {
    HashTree tree;
    BK_RETURN_IF_ERROR(tree.Checksum(CancelToken::Never(), opener, "/", {}));
    BK_RETURN_IF_ERROR(CheckRecords(tree, c["records_after_root_query"], true));
  }
  return c.contains("headers") ? CheckHeaders(root, c["headers"]) : absl::OkStatus();
}

absl::StatusOr<Digest> Feed(HashTree& tree, const Json& change) {
  fsutil::Stat stat;
  std::string kind = change["change"], path = Text(change["path"]);
  const Json from = change.value("stat", Json::object()), xattrs = from.value("xattrs", Json::object());
  stat.set_path(path);
  stat.set_mode(from.value("mode", 0u));
  stat.set_uid(from.value("uid", 0u));
  stat.set_gid(from.value("gid", 0u));
  stat.set_size(from.value("size", int64_t{0}));
  stat.set_modtime(from.value("mod_time", int64_t{0}));
  stat.set_linkname(from.value("linkname", ""));
  stat.set_devmajor(from.value("devmajor", int64_t{0}));
  stat.set_devminor(from.value("devminor", int64_t{0}));
  for (const auto& [name, value] : xattrs.items()) {
    (*stat.mutable_xattrs())[name] = Base64Decode(value.get<std::string>()).value_or("");
  }
  if (kind == "delete") {
    BK_RETURN_IF_ERROR(tree.HandleChange(ChangeKind::kDelete, path, stat, {}));
    return Digest();
  }
  contenthash::EntryHasher hasher(stat);
  hasher.Update(Decoded(change, "content"));
  Digest digest = hasher.Finish();
  BK_RETURN_IF_ERROR(tree.HandleChange(kind == "add" ? ChangeKind::kAdd : ChangeKind::kModify, path, stat, digest));
  return digest;
}

absl::Status RunChanges(const Json& c) {
  HashTree tree;
  auto no_disk = []() -> absl::StatusOr<const os::RootDir*> { return Unknown("this tree has no file system"); };
  for (const Json& step : c["steps"]) {
    tree.ForgetLinks();
    for (const Json& change : step["changes"]) {
      BK_TRY(Digest digest, Feed(tree, change));
      if (change.contains("entry_digest")) BK_RETURN_IF_ERROR(ExpectText("entry " + change["path"].dump(), digest.str(), change["entry_digest"].get<std::string>()));
    }
    for (const Json& query : step["queries"]) BK_RETURN_IF_ERROR(Ask(tree, no_disk, query, query, ""));
    if (step.contains("records")) BK_RETURN_IF_ERROR(CheckRecords(tree, step["records"], false));
  }
  return absl::OkStatus();
}

absl::Status RunScratch(const Json& c) {
  for (const Json& query : c["queries"]) {
    BK_RETURN_IF_ERROR(CheckAnswer(query.dump(), contenthash::ScratchChecksum(Text(query["path"])), query, ""));
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status RunContentHash(const Json& c, const std::string&) {
  std::string kind = c["kind"];
  if (kind == "tree") return RunTree(c);
  if (kind == "changes") return RunChanges(c);
  return RunScratch(c);
}

}  // namespace bk::golden::keys
