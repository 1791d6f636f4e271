#include "daemon/cache/contenthash/tree.h"

#include <algorithm>

#include "base/path.h"
#include "daemon/cache/contenthash/entry.h"
#include "daemon/cache/contenthash/selection.h"

namespace bk::contenthash {
namespace {

constexpr int kMaxLinks = 255;

}  // namespace

absl::StatusOr<Digest> ScratchChecksum(const std::string& path) {
  if (path == "/") return DigestOf("");
  return NotFound(path, ": no such file or directory");
}

std::string KeyOf(std::string path) {
  std::replace(path.begin(), path.end(), '/', '\0');
  return path;
}

std::string PathOf(std::string key) {
  std::replace(key.begin(), key.end(), '\0', '/');
  return key;
}

std::string RecordPath(const std::string& path) {
  std::string clean = CleanPath("/" + path);
  return clean == "/" ? "" : clean;
}

absl::StatusOr<HashTree::Found> HashTree::Follow(const std::string& key, bool follow_trailing, const std::function<void(const std::string&, const Record*)>& visit) {
  auto lookup = [&](const std::string& k) -> Record* {
    auto it = records_.find(k);
    return it == records_.end() ? nullptr : &it->second;
  };
  if (Record* direct = lookup(key); direct != nullptr && (!follow_trailing || direct->type != RecordType::kSymlink)) return Found{key, direct};
  if (key.empty()) return Found{key, nullptr};
  std::string current = "/", rest = PathOf(key);
  bool trailing_slash = rest.ends_with('/');
  if (trailing_slash) rest.pop_back();
  Record* record = nullptr;
  int links = 0;
  while (!rest.empty()) {
    size_t slash = rest.find('/');
    std::string part = rest.substr(0, slash);
    rest = slash == std::string::npos ? "" : rest.substr(slash + 1);
    std::string next = RecordPath(StrCat(current, "/", part));
    record = lookup(KeyOf(next));
    if (visit) visit(next, record);
    bool link = record != nullptr && record->type == RecordType::kSymlink;
    if (!link || (!follow_trailing && rest.empty())) {
      current = next;
      if (link) break;
      continue;
    }
    if (++links > kMaxLinks) return Unknown("too many links");
    rest = StrCat(record->linkname, "/", rest);
    if (IsAbsolutePath(record->linkname)) current = "/";
  }
  if (trailing_slash) {
    current += '/';
    record = lookup(KeyOf(current));
    if (visit) visit(current, record);
  }
  return Found{KeyOf(current), record};
}

absl::StatusOr<Digest> HashTree::Checksum(const CancelToken& cancel, const RootOpener& root, const std::string& path, const ChecksumOptions& options) {
  EndBatch();
  if (!options.wildcard && options.include_patterns.empty() && options.exclude_patterns.empty()) return PathDigest(cancel, root, path, options.follow_links);
  BK_TRY(bool scan, NeedsScan("", false));
  if (scan) BK_RETURN_IF_ERROR(Scan(cancel, root, "", false));
  Selection selection(*this, cancel, root, options);
  BK_RETURN_IF_ERROR(selection.Run(path));
  for (Selected& entry : selection.entries()) {
    if (!entry.follow_links || entry.type != RecordType::kSymlink) continue;
    BK_TRY(Digest digest, PathDigest(cancel, root, entry.path, options.follow_links));
    entry.digest = digest.str();
  }
  return selection.Sum(path);
}

absl::StatusOr<Digest> HashTree::PathDigest(const CancelToken& cancel, const RootOpener& root, const std::string& raw_path, bool follow_trailing) {
  std::string path = RecordPath(raw_path), key = KeyOf(path);
  BK_TRY(Found found, Follow(key, follow_trailing));
  if (found.record == nullptr || found.record->digest.empty()) {
    BK_TRY(bool scan, NeedsScan(path, follow_trailing));
    if (scan) BK_RETURN_IF_ERROR(Scan(cancel, root, path, follow_trailing));
    BK_ASSIGN(found, Follow(key, follow_trailing));
    if (found.record == nullptr) return NotFound(Quote(path), ": not found");
    BK_RETURN_IF_ERROR(Complete(cancel, root, found.key, *found.record));
  }
  return Digest::Parse(found.record->digest);
}

absl::Status HashTree::Complete(const CancelToken& cancel, const RootOpener& root, const std::string& key, Record& record) {
  if (!record.digest.empty()) return absl::OkStatus();
  dirty_ = true;
  if (record.type == RecordType::kDir) return CompleteDirectory(cancel, root, key, record);
  std::string path = PathOf(key);
  if (path.ends_with('/')) path.pop_back();
  BK_TRY(const os::RootDir* directory, root());
  BK_TRY(Digest digest, HashEntry(cancel, *directory, path));
  record.digest = digest.str();
  return absl::OkStatus();
}

absl::Status HashTree::CompleteDirectory(const CancelToken& cancel, const RootOpener& root, const std::string& key, Record& record) {
  BK_RETURN_IF_ERROR(cancel.Check());
  const std::string prefix = key + '\0';
  Sha256 hasher;
  auto add = [&](const std::string& child, Record& entry) -> absl::Status {
    hasher.Update(std::string_view(child).substr(key.size()));
    BK_RETURN_IF_ERROR(Complete(cancel, root, child, entry));
    hasher.Update(entry.digest);
    return absl::OkStatus();
  };
  auto header = records_.find(prefix);
  if (header == records_.end()) return NotFound(Quote(PathOf(prefix)), ": not found");
  BK_RETURN_IF_ERROR(add(prefix, header->second));
  auto it = records_.lower_bound(prefix + '\0');
  while (it != records_.end() && it->first.starts_with(prefix)) {
    BK_RETURN_IF_ERROR(add(it->first, it->second));
    // A directory's own entries are in its digest. The bound is the reference's: names that begin with byte 255 escape it.
    if (it->second.type == RecordType::kDir) {
      it = records_.lower_bound(it->first + std::string("\0\xff", 2));
    } else {
      ++it;
    }
  }
  record.digest = hasher.FinishDigest().str();
  return absl::OkStatus();
}

std::string HashTree::Encode() {
  EndBatch();
  std::string bytes;
  for (const auto& [key, record] : records_) {
    bytes += static_cast<char>(record.type);
    for (const std::string* field : {&key, &record.digest, &record.linkname}) {
      auto size = static_cast<uint32_t>(field->size());
      for (int shift = 0; shift < 32; shift += 8) bytes += static_cast<char>(size >> shift);
      bytes += *field;
    }
  }
  return bytes;
}

absl::StatusOr<HashTree> HashTree::Decode(std::string_view bytes) {
  const absl::Status damaged = DataLoss("content hash records are damaged");
  HashTree tree;
  while (!bytes.empty()) {
    auto type = static_cast<uint8_t>(bytes[0]);
    bytes.remove_prefix(1);
    std::string fields[3];
    for (std::string& field : fields) {
      if (bytes.size() < 4) return damaged;
      size_t size = 0;
      for (size_t i = 0; i < 4; i++) size |= static_cast<size_t>(static_cast<uint8_t>(bytes[i])) << (8 * i);
      bytes.remove_prefix(4);
      if (bytes.size() < size) return damaged;
      field = bytes.substr(0, size);
      bytes.remove_prefix(size);
    }
    if (type > static_cast<uint8_t>(RecordType::kSymlink) || (!fields[1].empty() && !Digest::Parse(fields[1]).ok())) return damaged;
    tree.records_.emplace_hint(tree.records_.end(), fields[0], Record{static_cast<RecordType>(type), fields[1], fields[2], 0});
  }
  return tree;
}

}  // namespace bk::contenthash
