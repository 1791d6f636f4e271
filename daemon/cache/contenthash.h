// Content checksums of paths in a ref, byte for byte the reference's (trap 5; golden keys/contenthash).
//
// What was computed is kept with the ref and extended as paths are asked for; a local source's transfer feeds it, so that
// an unchanged file is never read again. Blocks on file reads of the mounted ref. Thread-safe; calls on one ref are serialised.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "daemon/cache/contenthash/entry.h"
#include "daemon/cache/contenthash/tree.h"
#include "daemon/cache/ref.h"

namespace bk::cache {

using contenthash::ChangeKind;
using contenthash::ChecksumOptions;

// NotFound with the reference's text when the path is missing. `ref` null: an empty tree.
absl::StatusOr<Digest> Checksum(const CancelToken& cancel, const FetchContext& fetch, const ImmutablePtr& ref, const std::string& path, const ChecksumOptions& options);

// Calls `see` for the files, links and directories ("/dir/") of the ref whose checksums are known; reads nothing.
void VisitKnownChecksums(const ImmutablePtr& ref, const std::function<void(const std::string& path, const std::string& digest)>& see);

// Keeps the checksums of a mutable ref true while a transfer changes it:
//   Begin(ref) → HandleChange for every entry → Finish → ref.Commit. The committed ref has them.
// A tree whose transfer did not finish is not found again after a restart; within the process its owner must destroy it.
class ContentHashUpdater {
 public:
  virtual ~ContentHashUpdater() = default;
  // `ref` must outlive the updater.
  static absl::StatusOr<std::unique_ptr<ContentHashUpdater>> Begin(const MutableRef& ref);
  // `digest`: contenthash::EntryHasher of the Stat and the data; unused for deletions. Any thread.
  virtual absl::Status HandleChange(ChangeKind kind, const std::string& path, const fsutil::Stat& stat, const Digest& digest) = 0;
  virtual absl::Status Finish() = 0;
};

}  // namespace bk::cache
