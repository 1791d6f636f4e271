// Checksums of the paths of one file tree, remembered and extended as they are asked for (trap 5; CAC-027 … CAC-033).
//
// A record's key is its absolute path with NUL for "/": "" is the root, "\0a" its entry "a". A directory has two records,
// its contents under the key and its own header under key + NUL. Records come from scanning a mounted tree or, for local
// sources, from the changes of a transfer. Not thread-safe; blocks on file reads. Rules: reference cache/contenthash.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/cancel.h"
#include "base/digest.h"
#include "base/os/root_path.h"
#include "proto/fsutil/stat.h"

namespace bk::contenthash {

enum class RecordType { kFile = 0, kDir = 1, kDirHeader = 2, kSymlink = 3 };

struct Record {
  RecordType type = RecordType::kFile;
  std::string digest;    // empty: not computed yet
  std::string linkname;  // of a symlink
  uint32_t batch = 0;    // of changes that added it; 0: it was there before the open one
};
using Records = std::map<std::string, Record>;

struct ChecksumOptions {
  bool follow_links = false;  // a final link
  bool wildcard = false;      // the path is a pattern
  std::vector<std::string> include_patterns, exclude_patterns;
  std::vector<std::string> required_paths;  // prefixes of which something must be included (patterns and wildcards only)
};

enum class ChangeKind { kAdd, kModify, kDelete };

// Gives the tree's directory when records are not enough; called at most when something must be read. Kept by the caller.
using RootOpener = std::function<absl::StatusOr<const os::RootDir*>()>;

class HashTree {
 public:
  // NotFound `"<path>": not found` if nothing is there.
  absl::StatusOr<Digest> Checksum(const CancelToken& cancel, const RootOpener& root, const std::string& path, const ChecksumOptions& options);

  // One entry of a transfer: `digest` is EntryHasher's of the entry; unused for deletions. Changes up to the next
  // Checksum or Encode form a batch. InvalidArgument for an entry without a digest.
  absl::Status HandleChange(ChangeKind kind, const std::string& path, const fsutil::Stat& stat, const Digest& digest);
  // Forgets which hard links were seen: a new transfer starts.
  void ForgetLinks() { links_.clear(); }

  // The records as bytes: for each its type and the length-prefixed key, digest and link target (names need not be UTF-8,
  // which rules protobuf out).
  std::string Encode();
  static absl::StatusOr<HashTree> Decode(std::string_view bytes);
  // True if records changed since the last call.
  bool TakeDirty() { return std::exchange(dirty_, false); }
  const Records& records() const { return records_; }

 private:
  friend class Selection;
  struct Found {
    std::string key;
    Record* record = nullptr;  // null: nothing there
  };
  // Looks a key up, links resolved; `visit` sees every step (path and record or null).
  absl::StatusOr<Found> Follow(const std::string& key, bool follow_trailing, const std::function<void(const std::string&, const Record*)>& visit = nullptr);
  absl::StatusOr<bool> NeedsScan(const std::string& path, bool follow_trailing);
  absl::Status Scan(const CancelToken& cancel, const RootOpener& root, const std::string& path, bool follow_trailing);
  absl::StatusOr<Digest> PathDigest(const CancelToken& cancel, const RootOpener& root, const std::string& path, bool follow_trailing);
  // Fills in the record's digest.
  absl::Status Complete(const CancelToken& cancel, const RootOpener& root, const std::string& key, Record& record);
  absl::Status CompleteDirectory(const CancelToken& cancel, const RootOpener& root, const std::string& key, Record& record);
  void BeginBatch();
  void EndBatch();
  void Put(const std::string& key, Record record);
  std::optional<Record> Erase(const std::string& key);
  void EraseBefore(const std::string& key);
  const Record* BeforeBatch(const std::string& key) const;
  void PutLinks(const std::string& target, const Record& record);
  void MarkDirectory(std::string directory);

  Records records_;
  bool dirty_ = false;
  // The open batch: records as they were before it, where it changed them; directories whose contents changed.
  uint32_t batch_ = 0;
  bool batch_open_ = false;
  Records replaced_;
  std::set<std::string> changed_dirs_;
  std::map<std::string, std::vector<std::string>> links_;  // target path -> keys of hard links to it
};

// Of no tree at all: only "/" has a digest, that of nothing.
absl::StatusOr<Digest> ScratchChecksum(const std::string& path);

// "/a/b" <-> "\0a\0b".
std::string KeyOf(std::string path);
std::string PathOf(std::string key);
// Absolute, clean, "" for the root.
std::string RecordPath(const std::string& path);

}  // namespace bk::contenthash
